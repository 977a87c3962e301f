"""The device's account: how it is asked for together with all that was missed, and how it is proven."""

from __future__ import annotations

from collections.abc import Callable

from edge_client.core.asking import Asking
from edge_client.core.draws import Draws
from edge_client.core.identity import Identity
from edge_client.core.timing import doubled, earliest
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, SubmitRecord
from edge_client.protocol.wake import Wake


class Membership:
    """Asks for head, own account and updates (`Wake`), and registers until there is an account."""

    def __init__(self, identity: Identity, draws: Draws, validators: int, proof: AccountProof | None) -> None:
        self._identity = identity
        self._draws = draws
        self._validators = validators
        self._waking: Asking | None = None
        self._wakes = False
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
    def waking(self) -> bool:
        """Whether a question waits for its answer."""
        return self._wakes

    @property
    def nonce(self) -> int | None:
        """Of the question that waits, once it was asked."""
        return None if self._waking is None else self._waking.nonce

    def wake(self) -> None:
        """Ask at once for all that was missed, and go on until an answer is found useful."""
        self._wakes = True
        if self._waking is not None:
            self._waking.again(self._waking.question)

    def proven(self, proof: AccountProof, height: int) -> bool:
        """Take a verified account, unless a newer one is known; True when it is news."""
        if height < self._proven_height or proof == self.proof:
            return False
        self.proof, self._proven_height = proof, height
        return True

    def absent(self) -> None:
        """A validator knows no account of ours. It cannot prove that; registering twice is harmless."""
        self._known_absent = True

    def woken(self) -> None:
        """The answer said all it could say."""
        self._wakes, self._waking = False, None

    def ask(self, question: Callable[[], Wake], records_wait_ms: int, now_ms: int) -> list[Publish]:
        """Questions to publish now; `question` makes what a device in this place asks. A registration may
        wait `records_wait_ms` for its block: before that it is not sent again."""
        asks = [self._wake_ask(question, now_ms)] if self._wakes else []
        if self._registers and now_ms >= self._register_due_ms:
            self._register_due_ms = now_ms + max(self._register_wait_ms, records_wait_ms)
            self._register_wait_ms = doubled(self._register_wait_ms, self._identity.timing.register_ms_max)
            record = SubmitRecord(self._identity.registration())
            asks.append(Ask(self._draws.nonce(), 0, record))
        return [self._identity.ask(ask) for ask in asks if ask is not None]

    def _wake_ask(self, question: Callable[[], Wake], now_ms: int) -> Ask | None:
        if self._waking is None:
            timing = self._identity.timing
            self._waking = Asking(question(), self._draws.nonce(), self._validators, timing)
        elif now_ms >= self._waking.due_ms:
            self._waking.question = question()
        return self._waking.ask(now_ms)

    @property
    def _registers(self) -> bool:
        return self.proof is None and self._known_absent

    def deadline(self) -> int | None:
        """When `ask` has something to ask."""
        wake = None if self._waking is None else self._waking.due_ms
        return earliest(wake, self._register_due_ms if self._registers else None)
