"""What the link is for: what is under way now, and when there will be something again.

`NEEDS` is asked from the parts, like `PHASES`, so it cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_client.core.bursts import Errand
from edge_client.core.conditions.radio import radio_of
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.draws import Draw, Draws
from edge_client.core.freshness import Standing
from edge_client.core.participant import Participant
from edge_client.core.trusted import TrustedHead
from edge_client.core.verify import DAY_MS

SPREAD_SHARE = 0.1
SPREAD_MS_MAX = 60_000
"""A fleet comes back spread over so much after the end of a round."""
KEEP_UP_TRUSTING_PARTS = 4
"""A device that waits for its gates still follows the chain so often in its trusting period."""

SHORT_MS = 5_000
"""For training that takes no longer a reconnect does not pay on any link. Where nobody knows how long it will
take, the link is kept for so long."""

NEEDS: tuple[tuple[str, Callable[[Participant], bool]], ...] = (
    ("an update is to be sent", lambda device: device.outbox.sending),
    ("the device joins", lambda device: not device.materials.graph_here or device.membership.proof is None),
    ("an answer is missing", lambda device: device.membership.waking),
    ("the chain is ahead", lambda device: not (device.sync.synced or device.sync.needs_checkpoint)),
    ("the owner's header is asked for", lambda device: device.sync.asks and device.sync.needs_checkpoint),
    ("a round's model or rules are missing", lambda device: device.materials.deadline() is not None),
    ("the owner's wish is under way", lambda device: device.candidacy.deadline() is not None),
)
"""The first that holds is why the device is connected."""


class Errands:
    """Looks at a participant; remembers how long rounds take."""

    def __init__(self, draws: Draws, t0_s: int, trusting_ms: int) -> None:
        self._draws = draws
        self._t0_s = t0_s
        self._keep_up_ms = DAY_MS
        if trusting_ms:
            self._keep_up_ms = min(DAY_MS, trusting_ms // KEEP_UP_TRUSTING_PARTS)
        self._opened: tuple[int, int] | None = None
        """The latest round, and when it was opened, in seconds of the chain."""
        self._pace_ms: int | None = None
        self._linked_ms = 0
        self._drawn: tuple[int, float] | None = None
        self._untried: tuple[int | None, int] | None = None
        """A round whose training takes nobody knows how long, and when it was first seen."""

    def linked(self, now_ms: int) -> None:
        """The device hears the chain."""
        self._linked_ms = now_ms

    def see(self, head: TrustedHead) -> None:
        """How long the rounds since the last look took."""
        number, opened_s = head.learning.round, head.learning.opened_at_s
        if self._opened is not None and number > self._opened[0]:
            self._pace_ms = (opened_s - self._opened[1]) * 1000 // (number - self._opened[0])
        self._opened = (number, opened_s)

    def errand(self, device: Participant, scheduler: Scheduler | None, now_ms: int) -> Errand:
        """What is open now, and when it makes sense to come back."""
        self.see(device.head)
        busy = next((why for why, holds in NEEDS if holds(device)), None)
        until_ms = None
        if busy is None and device.rounds.training and scheduler is not None:
            until_ms = self._try_until_ms(device.rounds.number, scheduler, now_ms)
            busy = None if until_ms is None or until_ms <= now_ms else "training is over soon, perhaps"
            busy = "training is over soon" if _is_short(scheduler) else busy
        wake_ms, because = self._next(device, scheduler, now_ms)
        rests = scheduler is not None and wake_ms == scheduler.opens_ms
        keep_up_ms = self._linked_ms + self._keep_up_ms
        if keep_up_ms < wake_ms:
            wake_ms, because = keep_up_ms, f"{because}; the chain is looked at once a day"
        has_words = device.freshness.standing(now_ms) == Standing.FRESH
        return Errand(busy, wake_ms, because, device.head.height, has_words, rests, until_ms)

    def _try_until_ms(self, round_number: int | None, scheduler: Scheduler, now_ms: int) -> int | None:
        """Until when training is given the time to be short, where none was measured yet."""
        if _train_ms(scheduler) is not None:
            return None
        if self._untried is None or self._untried[0] != round_number:
            self._untried = (round_number, now_ms)
        return self._untried[1] + SHORT_MS

    def _next(self, device: Participant, scheduler: Scheduler | None, now_ms: int) -> tuple[int, str]:
        head, never_ms = device.head, self._linked_ms + self._keep_up_ms
        if device.sync.needs_checkpoint:
            return never_ms, "the owner must vouch for a header"
        over_ms = self._over_ms(head, device.materials.params.round_s)
        if device.outbox.roots:
            return over_ms, f"round {head.learning.round} is over then; is our update in it?"
        if device.rounds.training:
            return never_ms, f"round {device.rounds.number} is being trained"
        closed = () if scheduler is None else scheduler.closed
        if closed and scheduler is not None:
            opens_ms = scheduler.opens_ms
            opens = never_ms if opens_ms is None else max(opens_ms, now_ms)
            return max(over_ms, opens), f"closed gate: {', '.join(closed)}"
        return over_ms, f"round {head.learning.round} is over then"

    def _over_ms(self, head: TrustedHead, round_s: int) -> int:
        """When the open round should be over, Unix ms. Our clock may be wrong: no later than a whole round
        after the device was connected."""
        round_ms = round_s * 1000
        takes_ms = round_ms if self._pace_ms is None else max(0, min(self._pace_ms, round_ms))
        over_ms = (self._t0_s + head.learning.opened_at_s) * 1000 + takes_ms
        spread_ms = round(self._drawn_for(head.learning.round) * min(SPREAD_SHARE * round_ms, SPREAD_MS_MAX))
        return min(over_ms, self._linked_ms + round_ms) + spread_ms

    def _drawn_for(self, round_number: int) -> float:
        """Our place in the crowd that comes back when this round is over; asked for after every event."""
        if self._drawn is None or self._drawn[0] != round_number:
            drawn = self._draws.bytes_for(Draw.WAKE, round_number.to_bytes(4, "big"))[0] / 256
            self._drawn = (round_number, drawn)
        return self._drawn[1]


def _is_short(scheduler: Scheduler) -> bool:
    """Whether what is being trained ends while the radio is on anyway."""
    train_ms = _train_ms(scheduler)
    return train_ms is not None and train_ms <= max(SHORT_MS, radio_of(scheduler.link).tail_ms)


def _train_ms(scheduler: Scheduler) -> float | None:
    """How long training takes, as far as earlier rounds tell."""
    prediction = scheduler.prediction
    if prediction is None or prediction.steps is None:
        return None
    return prediction.ms_per_step * prediction.steps
