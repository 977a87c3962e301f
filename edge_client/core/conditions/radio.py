"""What the radio of a link costs: energy by bytes, and by the time it stays on after the last one.

Figures of published measurements; a modem's at 5 Mbit/s. They are for budgets and comparisons, a meter knows
better. An unknown link counts as Wi-Fi.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.conditions.readings import Reading, known

BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Radio:
    """`start_mj` for a burst to begin, `tail_ms` at `tail_mw` after its last byte, and mJ for each MB."""

    start_mj: int
    tail_ms: int
    tail_mw: int
    down_mj_per_mb: int
    up_mj_per_mb: int

    def energy_mj(self, up_bytes: int, down_bytes: int, bursts: int) -> int:
        """Of so many bytes in so many bursts."""
        carried = up_bytes * self.up_mj_per_mb + down_bytes * self.down_mj_per_mb
        each = self.start_mj + self.tail_ms * self.tail_mw // 1000
        return carried // BYTES_PER_MB + bursts * each


WIFI = Radio(start_mj=0, tail_ms=240, tail_mw=120, down_mj_per_mb=1_700, up_mj_per_mb=2_800)
RADIOS = {
    "ethernet": Radio(start_mj=0, tail_ms=0, tail_mw=0, down_mj_per_mb=10, up_mj_per_mb=10),
    "wifi": WIFI,
    "modem": Radio(start_mj=300, tail_ms=11_600, tail_mw=1_060, down_mj_per_mb=2_500, up_mj_per_mb=5_600),
}
"""By the kinds that `Conditions.link` names."""


def radio_of(link: Reading[str]) -> Radio:
    """The radio of this kind of link."""
    return RADIOS.get(known(link) or "", WIFI)
