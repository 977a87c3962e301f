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
    """At once when something big changed; else after `interval_ms` for news, every `resend_ms` while busy.

    Both count from what causes them, not from the last snapshot, which may be long ago: in an undisturbed
    slot the certificate comes first, and the snapshot that follows it carries all.
    """

    def __init__(self, interval_ms: int, resend_ms: int) -> None:
        self._interval_ms = interval_ms
        self._resend_ms = resend_ms
        self._last_ms = 0
        self._now = False
        self._news_ms: int | None = None
        self._busy_ms: int | None = None

    def force(self) -> None:
        """A slot was entered, a block became final, or the link came up."""
        self._now = True

    def note_news(self, now_ms: int) -> None:
        """There is something that the last snapshot does not have."""
        if self._news_ms is None:
            self._news_ms = now_ms

    def note_busy(self, busy: bool, now_ms: int) -> None:
        """Whether the slot is worked on."""
        if not busy:
            self._busy_ms = None
        elif self._busy_ms is None:
            self._busy_ms = now_ms

    def deadline(self, behind: bool) -> int | None:
        """When the next snapshot goes out; `behind`: a peer's last one lacks something."""
        if self._now:
            return self._last_ms
        moments = [self._last_ms + self._interval_ms] if behind else []
        moments += [] if self._news_ms is None else [self._news_ms + self._interval_ms]
        moments += [] if self._busy_ms is None else [max(self._busy_ms, self._last_ms) + self._resend_ms]
        return min(moments, default=None)

    def published(self, now_ms: int) -> None:
        """A snapshot with everything went out."""
        self._last_ms = now_ms
        self._now = False
        self._news_ms = None
