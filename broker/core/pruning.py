"""What a validator keeps of its past: which bodies go, and which states stay for those who come late [PRN].

Everything here follows from height and state, so all validators keep the same, and whoever lost what one of
them pruned finds the same checkpoints at any other.
"""

from __future__ import annotations

from edge_client.protocol.params import RoundParams

CHECKPOINTS_KEPT = 2
SWEEP_MAX = 4096
"""Objects that are looked at after one block: a window that was made smaller must not stop the chain, and one
block's updates fit several times."""


def checkpoint_interval(params: RoundParams) -> int:
    """Blocks between checkpoints: all that are kept lie inside the body window [PRN-2]."""
    return max(1, params.body_window // CHECKPOINTS_KEPT)


def is_checkpoint(height: int, params: RoundParams) -> bool:
    """Whether the state after this block is kept as an object; `params` are those in force after it."""
    return height % checkpoint_interval(params) == 0


def body_floor(height: int, params: RoundParams) -> int:
    """The highest block whose update bodies may go when `height` is final [PRN-1]."""
    return max(0, height - params.body_window)
