"""What goes into a snapshot when everything would not fit one MQTT packet.

Hundreds of open slots mean hours without a quorum. Then each snapshot holds the FC, the newest slots, and a
window of the others that moves on with each: whoever listens has everything after a few of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge_client.protocol.votes import SNAPSHOT_BYTES_MAX, Certificate, Snapshot, Vote, VoteKind

_COUNTS_BYTES = 4


class SnapshotMaker:
    """Remembers up to which slot the last snapshot's window went."""

    def __init__(self) -> None:
        self._shown_slot = 0

    def make(self, votes: Iterable[Vote], certificates: Iterable[Certificate]) -> Snapshot:
        """Everything that fits, the FC first of all."""
        slots: dict[int, list[Vote | Certificate]] = {}
        final: list[Vote | Certificate] = []
        held: list[Vote | Certificate] = [*certificates, *votes]
        for one in held:
            subject = one.subject
            is_final = isinstance(one, Certificate) and subject.kind == VoteKind.FINALIZE
            (final if is_final else slots.setdefault(subject.slot, [])).append(one)
        left = SNAPSHOT_BYTES_MAX - _COUNTS_BYTES - _size_bytes(final)
        sizes_bytes = {slot: _size_bytes(slots[slot]) for slot in sorted(slots)}
        fits = sum(sizes_bytes.values()) <= left
        newest = _fitting(reversed(sizes_bytes), sizes_bytes, left if fits else left // 2)
        taken = set(newest)
        rest = [slot for slot in sizes_bytes if slot not in taken]
        ahead = [slot for slot in rest if slot > self._shown_slot]
        window = _fitting([*ahead, *rest[: len(rest) - len(ahead)]], sizes_bytes, left // 2)
        self._shown_slot = window[-1] if window else 0
        shown = [one for slot in sorted({*taken, *window}) for one in slots[slot]]
        return Snapshot(
            tuple(one for one in shown if isinstance(one, Vote)),
            tuple(one for one in [*final, *shown] if isinstance(one, Certificate)),
        )


def is_whole(snapshot: Snapshot) -> bool:
    """Whether what it does not hold is lacking, and not only left out for want of room."""
    return _size_bytes([*snapshot.votes, *snapshot.certificates]) < SNAPSHOT_BYTES_MAX // 2


def _fitting(order: Iterable[int], sizes_bytes: Mapping[int, int], bytes_max: int) -> list[int]:
    """The first of `order` that fit."""
    fitting: list[int] = []
    for slot in order:
        bytes_max -= sizes_bytes[slot]
        if bytes_max < 0:
            break
        fitting.append(slot)
    return fitting


def _size_bytes(held: Iterable[Vote | Certificate]) -> int:
    return sum(len(one.encode()) for one in held)
