"""Merkle mountain range over all earlier header hashes: what `history_root` of a header commits to.

Leaf 0 is the chain id; leaf h is the hash of the header of height h. A device keeps the peaks only
(at most 32 hashes), appends each header and checks the next header's `history_root` against them [MMR-1].
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from edge_client.protocol.encoding import Reader, uint
from edge_client.protocol.hashing import HASH_BYTES, Tag, hasher

_of_parent, _of_bag = hasher(Tag.MMR_NODE), hasher(Tag.MMR)


def parent_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node of a mountain."""
    return _of_parent(left + right)


def bag(size: int, peaks: Sequence[bytes]) -> bytes:
    """Root over `size` leaves with these peaks, highest mountain first."""
    return _of_bag(uint(size, 4) + b"".join(peaks))


@dataclass(frozen=True, slots=True)
class Peaks:
    """The peaks of a range of `size` leaves: everything needed to append and to check a root."""

    size: int
    hashes: tuple[bytes, ...]

    def append(self, leaf: bytes) -> Peaks:
        """The range with one more leaf."""
        hashes, size = list(self.hashes), self.size
        while size & 1:
            leaf = parent_hash(hashes.pop(), leaf)
            size >>= 1
        return Peaks(self.size + 1, (*hashes, leaf))

    def root(self) -> bytes:
        """The root these peaks stand for."""
        return bag(self.size, self.hashes)

    def encode(self) -> bytes:
        """Size, then one hash per set bit of it."""
        return uint(self.size, 4) + b"".join(self.hashes)

    @classmethod
    def read(cls, reader: Reader) -> Peaks:
        """Parse from a reader; raises `DecodeError`."""
        size = reader.uint(4)
        return cls(size, tuple(reader.take(HASH_BYTES) for _ in range(size.bit_count())))

    @classmethod
    def decode(cls, data: bytes) -> Peaks:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Peaks")
        peaks = cls.read(reader)
        reader.finish()
        return peaks


EMPTY = Peaks(0, ())


class Growing:
    """A range that grows in place: a run of headers must not copy its peaks for every header."""

    def __init__(self, peaks: Peaks) -> None:
        self.size = peaks.size
        self._hashes = list(peaks.hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf."""
        hashes, size = self._hashes, self.size
        while size & 1:
            leaf = parent_hash(hashes.pop(), leaf)
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return bag(self.size, self._hashes)

    def peaks(self) -> Peaks:
        """The peaks as they are now."""
        return Peaks(self.size, tuple(self._hashes))


@dataclass(frozen=True, slots=True)
class MmrProof:
    """That a leaf stands at `index` under a root: siblings inside its mountain, and all peaks."""

    index: int
    siblings: tuple[bytes, ...]
    peaks: Peaks

    def root_for(self, leaf: bytes) -> bytes | None:
        """The root proven for `leaf`, or None when the proof's shape does not fit its size."""
        mountain = mountain_of(self.peaks.size, self.index)
        if mountain is None:
            return None
        which, start, height = mountain
        if len(self.siblings) != height or len(self.peaks.hashes) != self.peaks.size.bit_count():
            return None
        node, at = leaf, self.index - start
        for sibling in self.siblings:
            node = parent_hash(sibling, node) if at & 1 else parent_hash(node, sibling)
            at >>= 1
        return self.peaks.root() if node == self.peaks.hashes[which] else None


def mountain_of(size: int, index: int) -> tuple[int, int, int] | None:
    """(number of the mountain, its first leaf, its height) that holds leaf `index`."""
    start = 0
    for which, height in enumerate(h for h in range(size.bit_length() - 1, -1, -1) if size >> h & 1):
        if start <= index < start + (1 << height):
            return which, start, height
        start += 1 << height
    return None


def peaks_of(leaves: Sequence[bytes]) -> Peaks:
    """The peaks over a whole list of leaves."""
    growing = Growing(EMPTY)
    for leaf in leaves:
        growing.append(leaf)
    return growing.peaks()


class Tracer:
    """Appends leaves one at a time and collects the siblings of a few chosen ones: proofs out of a stream of
    headers, in memory that does not grow with it."""

    def __init__(
        self,
        indices: Collection[int],
        peaks: Peaks = EMPTY,
        siblings: Mapping[int, Sequence[bytes]] | None = None,
    ) -> None:
        """A tracer may go on where another ended: with its `peaks`, and the siblings found so far."""
        found = siblings or {}
        self.peaks = peaks
        self._siblings: dict[int, list[bytes]] = {index: list(found.get(index, ())) for index in indices}
        self._below: dict[tuple[int, int], list[int]] = {}
        for index, known in self._siblings.items():
            self._below.setdefault((len(known), index >> len(known)), []).append(index)

    @property
    def indices(self) -> Collection[int]:
        """The chosen leaves."""
        return self._siblings.keys()

    def siblings(self, index: int) -> tuple[bytes, ...]:
        """Those found so far of a chosen leaf."""
        return tuple(self._siblings[index])

    def append(self, leaf: bytes) -> None:
        """Take the next leaf; each mountain it completes gives the chosen leaves of both halves a sibling."""
        node, at = leaf, self.peaks.size
        for height in range((at + 1).bit_length()):
            if not at >> height & 1:
                break
            left = self.peaks.hashes[-1 - height]
            self._join(height, at >> height, (left, node))
            node = parent_hash(left, node)
        self.peaks = self.peaks.append(leaf)

    def _join(self, height: int, at: int, halves: tuple[bytes, bytes]) -> None:
        """The node `at` and the one before it get a parent: the chosen leaves below each see the other."""
        before, after = self._below.pop((height, at - 1), []), self._below.pop((height, at), [])
        for index in before:
            self._siblings[index].append(halves[1])
        for index in after:
            self._siblings[index].append(halves[0])
        if before or after:
            self._below[height + 1, at >> 1] = before + after

    def proof(self, index: int) -> MmrProof:
        """Proof of a chosen leaf under `peaks`; `IndexError` when it was not appended yet."""
        if not 0 <= index < self.peaks.size:
            raise IndexError(f"leaf {index} of {self.peaks.size}")
        return MmrProof(index, tuple(self._siblings[index]), self.peaks)


def prove(leaves: Iterable[bytes], index: int) -> MmrProof:
    """Proof for one leaf of a whole range."""
    tracer = Tracer((index,))
    for leaf in leaves:
        tracer.append(leaf)
    return tracer.proof(index)
