"""When to give a slot up and when to publish a snapshot; both stand still while the MQTT server is away."""

from __future__ import annotations


class SlotTimer:
    """Milliseconds the current slot has been worked on; counts only while running (due rule)."""

    def __init__(self) -> None:
        self._elapsed_ms = 0
        self._since_ms: int | None = None

    def reset(self, now_ms: int) -> None:
        """Start again from zero, in the same running state."""
        self._elapsed_ms = 0
        if self._since_ms is not None:
            self._since_ms = now_ms

    def run(self, running: bool, now_ms: int) -> None:
        """Start or freeze."""
        if running and self._since_ms is None:
            self._since_ms = now_ms
        elif not running and self._since_ms is not None:
            self._elapsed_ms += now_ms - self._since_ms
            self._since_ms = None

    def elapsed_ms(self, now_ms: int) -> int:
        """Time counted so far."""
        return self._elapsed_ms + (0 if self._since_ms is None else now_ms - self._since_ms)

    def reaches(self, elapsed_ms: int) -> int | None:
        """When it will have counted `elapsed_ms`; None while frozen."""
        return None if self._since_ms is None else self._since_ms + elapsed_ms - self._elapsed_ms


class SnapshotPacer:
    """When it was wanted, `interval_ms` after the last if a peer is behind, every `resend_ms` while busy.

    Moments count from what causes them, not from the last snapshot, which may be long ago: in an undisturbed
    slot a certificate follows soon, and the snapshot that goes out with it carries everything before it.
    """

    def __init__(self, interval_ms: int, resend_ms: int) -> None:
        self._interval_ms = interval_ms
        self._resend_ms = resend_ms
        self._last_ms = 0
        self._wanted_ms: int | None = None
        self._busy_ms: int | None = None

    def want(self, at_ms: int) -> None:
        """There is something that the last snapshot does not have: publish by `at_ms`."""
        self._wanted_ms = at_ms if self._wanted_ms is None else min(at_ms, self._wanted_ms)

    def note_busy(self, busy: bool, now_ms: int) -> None:
        """Whether the slot is worked on."""
        if not busy:
            self._busy_ms = None
        elif self._busy_ms is None:
            self._busy_ms = now_ms

    def deadline(self, behind: bool) -> int | None:
        """When the next snapshot goes out; `behind`: a peer's last one lacks something."""
        moments = [] if self._wanted_ms is None else [self._wanted_ms]
        moments += [self._last_ms + self._interval_ms] if behind else []
        moments += [] if self._busy_ms is None else [max(self._busy_ms, self._last_ms) + self._resend_ms]
        return min(moments, default=None)

    def published(self, now_ms: int) -> None:
        """A snapshot with everything went out."""
        self._last_ms = now_ms
        self._wanted_ms = None
