"""The device's account: how it is asked for, and how it is proven."""

from __future__ import annotations

from edge_client.core.asking import Asking
from edge_client.core.draws import Draws
from edge_client.core.identity import Identity
from edge_client.core.timing import doubled, earliest
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, Claim, SubmitRecord


class Membership:
    """Asks for the own account (a *claim*, which also asks for updates) and registers until there is one."""

    def __init__(self, identity: Identity, draws: Draws, validators: int, proof: AccountProof | None) -> None:
        self._identity = identity
        self._draws = draws
        self._validators = validators
        self._claiming: Asking | None = None
        self._known_absent = False
        self._register_due_ms = 0
        self._register_wait_ms = identity.timing.register_ms
        self.proof = proof
        self._proven_height = 0

    @property
    def account(self) -> Account | None:
        """The account as last proven."""
        return None if self.proof is None else self.proof.account

    @property
    def claiming(self) -> bool:
        """Whether a claim waits for its answer."""
        return self._claiming is not None

    def claim(self, roots: tuple[bytes, ...]) -> None:
        """Ask at once for the account and these updates, and go on until an answer is found useful."""
        if self._claiming is None:
            timing = self._identity.timing
            self._claiming = Asking(Claim(roots), self._draws.nonce(), self._validators, timing)
        else:
            self._claiming.again(Claim(roots))

    def proven(self, proof: AccountProof, height: int) -> bool:
        """Take a verified account, unless a newer one is known; True when it is news."""
        if height < self._proven_height or proof == self.proof:
            return False
        self.proof, self._proven_height = proof, height
        return True

    def absent(self) -> None:
        """A validator knows no account of ours. It cannot prove that; registering twice is harmless."""
        self._known_absent = True

    def claimed(self) -> None:
        """The answer said all it could say."""
        self._claiming = None

    def ask(self, now_ms: int) -> list[Publish]:
        """Questions to publish now."""
        asks = [] if self._claiming is None else [self._claiming.ask(now_ms)]
        if self._registers and now_ms >= self._register_due_ms:
            self._register_due_ms = now_ms + self._register_wait_ms
            self._register_wait_ms = doubled(self._register_wait_ms, self._identity.timing.register_ms_max)
            question = SubmitRecord(self._identity.registration())
            asks.append(Ask(self._draws.nonce(), 0, question))
        return [self._identity.ask(ask) for ask in asks if ask is not None]

    @property
    def _registers(self) -> bool:
        return self.proof is None and self._known_absent

    def deadline(self) -> int | None:
        """When `ask` has something to ask."""
        claim = None if self._claiming is None else self._claiming.due_ms
        return earliest(claim, self._register_due_ms if self._registers else None)
