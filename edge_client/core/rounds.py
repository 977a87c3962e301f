"""Whether to train in the open round, the order that goes to the trainer, and where that work stands.

nothing ── start ──► ON ── pause ──► PAUSING ── paused ──► PAUSED ── resume ──► ON
                      └──── finish or give up, from everywhere ────► nothing
"""

from __future__ import annotations

from enum import Enum

from edge_client.core.draws import Draw, Draws
from edge_client.core.events import Interrupted, PendingUpdate, TrainingFinished, TrainingOrder
from edge_client.core.identity import Identity
from edge_client.core.trusted import TrustedHead
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.execution.selection import is_selected
from edge_client.protocol.params import RoundParams
from edge_client.protocol.update import UNKNOWN_U32, UpdateHead

RETRY_FAILED_MS = 600_000
"""A round that failed before its first step is tried again after so long: its data may be back."""


class Work(Enum):
    """Where the running order stands."""

    ON = 0
    PAUSING = 1
    PAUSED = 2


class Rounds:
    """Remembers which round is being trained and which ones are done with."""

    def __init__(
        self, identity: Identity, draws: Draws, last_round: int, interrupted: Interrupted | None = None
    ) -> None:
        self._identity = identity
        self._draws = draws
        self._last_round = last_round
        self._failure: tuple[int, str] | None = None
        self._retry_ms: int | None = None
        unsaved = interrupted is not None and interrupted.order.round > last_round
        self.running = interrupted.order if interrupted is not None and unsaved else None
        self.work = Work.PAUSED
        self.has_checkpoint = interrupted is not None

    def why_not(self, head: TrustedHead, account: Account) -> str | None:
        """Why the device does not train in the open round, or None if it should."""
        round_number = head.learning.round
        if self.running is not None:
            return "training" if self.work == Work.ON else "paused"
        if self._failure is not None and self._failure[0] == round_number:
            return f"failed: {self._failure[1]}"
        if round_number <= max(self._last_round, account.last_round):
            return "done"
        if account.is_jailed(round_number):
            return "jailed"
        if not is_selected(head.learning.seed, account.public_key, head.learning.theta):
            return "unselected"
        return None

    @property
    def training(self) -> bool:
        """Whether the trainer is at work."""
        return self.running is not None and self.work == Work.ON

    @property
    def number(self) -> int | None:
        """The round that is worked on, paused or not."""
        return None if self.running is None else self.running.round

    def pause(self) -> TrainingOrder | None:
        """The order that must pause now, if the trainer is at one."""
        if not self.training:
            return None
        self.work = Work.PAUSING
        return self.running

    def paused(self, round_number: int, root: bytes) -> Interrupted | None:
        """The trainer let go; what to keep, or None for work that nobody waits for any more."""
        if self.running is None or self.running.round != round_number:
            return None
        self.work, self.has_checkpoint = Work.PAUSED, True
        return Interrupted(self.running, root)

    def resume(self) -> TrainingOrder | None:
        """The order to go on with, if one is paused."""
        if self.running is None or self.work != Work.PAUSED:
            return None
        self.work = Work.ON
        return self.running

    def start(self, head: TrustedHead, params: RoundParams, steps_max: int | None = None) -> TrainingOrder:
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
            steps_max=steps_max,
        )
        self.work = Work.ON
        return self.running

    def hopeless(self, head: TrustedHead, staleness_max: int) -> bool:
        """Whether what is being trained could not count any more."""
        return self.running is not None and head.learning.round - self.running.round > staleness_max

    def give_up(self, failure: str | None = None) -> None:
        """The running round will not be tried again by this process; `failure` says what went wrong."""
        if self.running is not None:
            self._last_round = max(self._last_round, self.running.round)
            self._failure = None if failure is None else (self.running.round, failure)
            self._retry_ms = None
        self.running = None

    def postpone(self, failure: str, now_ms: int) -> None:
        """The running round failed before its first step; it is tried again after `RETRY_FAILED_MS`."""
        if self.running is not None:
            self._failure, self._retry_ms = (self.running.round, failure), now_ms + RETRY_FAILED_MS
        self.running = None

    def retry(self, now_ms: int) -> None:
        """Forget a failure that was postponed, once its time has come."""
        if self._retry_ms is not None and self._retry_ms <= now_ms:
            self._failure = self._retry_ms = None

    def deadline(self) -> int | None:
        """When `retry` has something to do."""
        return self._retry_ms

    def finish(self, result: TrainingFinished, proof: AccountProof) -> PendingUpdate | None:
        """The signed update, or None for work that nobody waits for any more."""
        order = self.running
        if order is None or order.round != result.round:
            return None
        self.give_up()
        cost = result.cost
        head = UpdateHead(
            account=proof.index,
            round=order.round,
            base_height=order.base_height,
            base_model=order.model_root,
            update_root=result.update_root,
            size=result.size_bytes,
            samples=result.samples,
            steps=result.steps,
            energy_mj=_counted(None if cost is None else cost.total_mj),
            up_bytes=_counted(None if cost is None else cost.up_bytes),
            down_bytes=_counted(None if cost is None else cost.down_bytes),
            loss_before_micro=result.loss_before_micro,
            loss_after_micro=result.loss_after_micro,
        )
        signed = head.sign(self._identity.signer, self._identity.chain_id)
        return PendingUpdate(signed, result.chunk_hashes)


def _counted(value: int | None) -> int:
    """As the update's head has it: unknown is all ones, what is too large for it is as large as can be."""
    return UNKNOWN_U32 if value is None else min(value, UNKNOWN_U32 - 1)
