from __future__ import annotations

import gc

from firmware_profiles.simulate.world import COLLECT_EVERY, rare_collections


def test_collections_are_rare_in_a_world_and_as_before_after_it() -> None:
    before = gc.get_threshold()
    with rare_collections():
        assert gc.get_threshold() == (COLLECT_EVERY, *before[1:])
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
