"""Makes a device's stored chain shorter: the headers below a height go, and what its own proofs need stays.

The gap is like one that was jumped over: hashes that lead from genesis to the range under the first header
that stays, and the single headers of own updates, account, models and checkpoints, each with its siblings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.ancestry import reach
from edge_client.core.verify import Invalid
from edge_client.protocol.errors import ProtocolError
from edge_client.reading import verify_disk


class CannotPruneError(Exception):
    """Nothing was dropped; one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The headers from `first` on are there, and those of the heights `shown`; so many were `dropped`."""

    first: int
    shown: tuple[int, ...]
    dropped: int


def prune(disk: DeviceDisk, keep: int, checkpoints: Iterable[int] = ()) -> Pruned | None:
    """Keep the latest `keep` headers, those after the base of an open update, and what own proofs need; None
    when there are no others. Raises `CannotPruneError`.

    Everything is verified before, and dropped in one transaction, so an agent may run beside it and the power
    may fail at any moment.
    """
    proven = verify_disk(disk)
    if isinstance(proven, Invalid):
        raise CannotPruneError(f"the stored chain does not hold ({proven.detail}); see `edge-client verify`")
    genesis, first = disk.genesis(), _first_kept(disk, keep)
    if proven is None or genesis is None or first is None:
        return None
    wanted = {*checkpoints, *disk.own_heights(), *proven.shown}
    heights = disk.chain.held_below(first, wanted)
    try:
        ancestry = reach(genesis.chain_id(), disk.chain.history(first - 1), heights)
    except ProtocolError as error:
        raise CannotPruneError(
            f"the stored chain does not hold ({error}); see `edge-client verify`"
        ) from error
    with disk.transaction():
        dropped = disk.chain.prune(first, ancestry.extension(), ancestry.ancestors.values())
        # Now that nobody else writes: what the agent settled since then must be shown, too.
        if disk.chain.held_below(first, disk.own_heights()) != heights & disk.own_heights():
            raise CannotPruneError("the device wrote at the same time; nothing was dropped, try again")
    return Pruned(first, tuple(sorted(heights)), dropped)


def _first_kept(disk: DeviceDisk, keep: int) -> int | None:
    """The first header that stays; None when none lies below it."""
    tip, head = disk.chain.tip(), disk.chain.head_block()
    if tip is None or head is None:
        return None
    bases = [one.head.base_height for one in disk.outbox.pending()]
    first = disk.chain.first_above(min([tip.height - keep, head.header.height - 1, *bases]))
    lowest = disk.chain.first_above(0)
    return None if first is None or lowest is None or lowest >= first else first
