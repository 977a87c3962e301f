"""[PRN]: what stays and what goes follows from height and state."""

from __future__ import annotations

import pytest

from broker.core.pruning import CHECKPOINTS_KEPT, body_floor, checkpoint_interval, is_checkpoint
from edge_client.protocol.params import RoundParams
from tests.builders import make_params


def params(window: int) -> RoundParams:
    return make_params(staleness_max=0, body_window=window)


@pytest.mark.parametrize("window", [1, 2, 3, 7, 64])
def test_above_every_kept_checkpoint_all_bodies_are_kept(window: int) -> None:
    """Whoever takes one of them can execute everything above it."""
    rules = params(window)
    interval = checkpoint_interval(rules)
    for height in range(interval * CHECKPOINTS_KEPT, interval * CHECKPOINTS_KEPT + 3 * window):
        kept = [h for h in range(height, 0, -1) if is_checkpoint(h, rules)][:CHECKPOINTS_KEPT]
        assert len(kept) == CHECKPOINTS_KEPT
        assert min(kept) >= body_floor(height, rules)


def test_nothing_goes_before_the_window_is_full() -> None:
    rules = params(5)
    assert [body_floor(height, rules) for height in (1, 5, 6, 100)] == [0, 0, 1, 95]
