"""One validator of four dies between two of its effects; agents and the other validators go on with it."""

from __future__ import annotations

import pytest

from tests.builders import make_genesis, make_params, make_signers
from tests.promises import Promises
from tests.simulation.fleet import add_device, device_heads
from tests.simulation.mortal import Mortal
from tests.simulation.world import World

VALIDATORS, DEVICES, ROUNDS = 4, 3, 3
CUTS = 24
EFFECTS_MIN = 100
DOWN_MS = 3_000


def live(dies_at: int) -> Mortal:
    """A fleet over a few rounds; validator 0 dies once, unless `dies_at` is 0."""
    params = make_params(k=DEVICES, k_max=2 * DEVICES, min_updates=1)
    world = World(make_genesis(VALIDATORS, params=params), make_signers(VALIDATORS))
    nodes = [world.add_validator(index) for index in range(VALIDATORS)]
    promises = [Promises(world.stores[index], world.rules.chain_id, index) for index in range(VALIDATORS)]
    victim = Mortal(nodes[0], promises[0], dies_at)
    for node, kept in zip(nodes[1:], promises[1:], strict=True):
        Mortal(node, kept, 0)
    for number in range(DEVICES):
        add_device(world, number)
    done = world.run(600_000, lambda: victim.is_dead or round_of(world) > ROUNDS)
    assert done
    if victim.is_dead:
        nodes[0].kill()
        world.run(DOWN_MS)
        Mortal(world.add_validator(0), promises[0], 0)
        assert world.run(600_000, lambda: round_of(world) > ROUNDS), f"stuck after a cut at {dies_at}"
    world.run(2_000)
    assert {one.head.hash for one in world.validators()} == device_heads(world)
    assert not world.evidence
    return victim


def round_of(world: World) -> int:
    return min(one.head.state.learning.round for one in world.validators())


@pytest.fixture(scope="module")
def effects_count() -> int:
    count = live(dies_at=0).executed_count
    assert count >= EFFECTS_MIN
    return count


@pytest.mark.parametrize("part", range(CUTS))
def test_a_validator_killed_between_two_effects(part: int, effects_count: int) -> None:
    assert live(1 + effects_count * part // CUTS).is_dead
