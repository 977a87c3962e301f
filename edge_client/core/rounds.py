"""Whether to train in the open round, and the order that goes to the trainer."""

from __future__ import annotations

from edge_client.core.draws import Draw, Draws
from edge_client.core.events import PendingUpdate, TrainingFinished, TrainingOrder
from edge_client.core.identity import Identity
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.execution.selection import is_selected
from edge_client.protocol.params import RoundParams
from edge_client.protocol.update import UpdateHead


class Rounds:
    """Remembers which round is being trained and which ones are done with."""

    def __init__(self, identity: Identity, draws: Draws, last_round: int) -> None:
        self._identity = identity
        self._draws = draws
        self._last_round = last_round
        self._failure: tuple[int, str] | None = None
        self.running: TrainingOrder | None = None

    def why_not(self, head: TrustedHead, account: Account) -> str | None:
        """Why the device does not train in the open round, or None if it should."""
        round_number = head.learning.round
        if self.running is not None:
            return "training"
        if self._failure is not None and self._failure[0] == round_number:
            return f"failed: {self._failure[1]}"
        if round_number <= max(self._last_round, account.last_round):
            return "done"
        if account.is_jailed(round_number):
            return "jailed"
        if not is_selected(head.learning.seed, account.public_key, head.learning.theta):
            return "unselected"
        return None

    def start(self, head: TrustedHead, params: RoundParams) -> TrainingOrder:
        """The order for the open round."""
        learning = head.learning
        seed = self._draws.bytes_for(Draw.TRAINING, learning.round.to_bytes(4, "big"))
        self.running = TrainingOrder(
            round=learning.round,
            base_height=learning.opened_height,
            model_root=head.app.model_root,
            params=params,
            seed=seed,
            residual_round_min=max(0, learning.round - params.staleness_max),
            head_height=head.height,
            app=head.app,
        )
        return self.running

    def hopeless(self, head: TrustedHead, staleness_max: int) -> bool:
        """Whether what is being trained could not count any more."""
        return self.running is not None and head.learning.round - self.running.round > staleness_max

    def give_up(self, failure: str | None = None) -> None:
        """The running round will not be tried again by this process; `failure` says what went wrong."""
        if self.running is not None:
            self._last_round = max(self._last_round, self.running.round)
            self._failure = None if failure is None else (self.running.round, failure)
        self.running = None

    def finish(self, result: TrainingFinished, proof: AccountProof) -> PendingUpdate | None:
        """The signed update, or None for work that nobody waits for any more."""
        order = self.running
        if order is None or order.round != result.round:
            return None
        self.give_up()
        head = UpdateHead(
            account=proof.index,
            round=order.round,
            base_height=order.base_height,
            base_model=order.model_root,
            update_root=result.update_root,
            size=result.size_bytes,
            samples=result.samples,
            steps=result.steps,
            loss_before_micro=result.loss_before_micro,
            loss_after_micro=result.loss_after_micro,
        )
        signed = head.sign(self._identity.signer, self._identity.chain_id)
        return PendingUpdate(signed, result.chunk_hashes)
