"""Validators over several epochs: seats are won and lost, and whatever happens around the boundary, the chain
is one and goes on."""

from __future__ import annotations

import random

import pytest

from tests.promises import Promises
from tests.simulation.epoch_world import (
    CANDIDATES,
    SIGNERS,
    VALIDATORS,
    Crowd,
    check_one_chain,
    epochs,
    heads,
    heights,
    make_epoch_world,
    node_of,
    signed_in,
)
from tests.simulation.mortal import Mortal
from tests.simulation.world import World, lossy

NEWCOMERS = SIGNERS[VALIDATORS:]


def test_a_candidate_wins_a_seat_and_signs_and_who_lost_it_follows() -> None:
    world = make_epoch_world()
    promises = [Promises(world.stores[i], world.rules.chain_id) for i in range(len(SIGNERS))]
    for node, kept in zip(world.nodes, promises, strict=True):
        Mortal(node, kept, 0)
    crowd = Crowd(world, {0: NEWCOMERS[0]})
    assert crowd.run(100, lambda: epochs(world) == {1})
    assert crowd.run(100, lambda: min(heights(world)) > 16)
    world.run(5_000)
    check_one_chain(world)
    assert len(heads(world)) == 1
    assert signed_in(world, NEWCOMERS[0]) == {1}
    seats = world.validators()[0].head.state.seats
    lost = [one for one in SIGNERS[:VALIDATORS] if not seats.holds_seat(one.public_key)]
    assert [signed_in(world, one) for one in lost] == [{0}]
    assert not world.evidence


def test_who_opts_out_loses_the_seat_to_its_genesis_validator() -> None:
    world = make_epoch_world()
    crowd = Crowd(world, {0: NEWCOMERS[0]})
    assert crowd.run(100, lambda: epochs(world) == {1})
    crowd.leavers.add(0)
    assert crowd.run(100, lambda: epochs(world) == {2})
    crowd.run(3, lambda: False)
    world.run(5_000)
    seats = world.validators()[0].head.state.seats
    assert seats.validators == world.genesis.validators
    check_one_chain(world)
    assert len(heads(world)) == 1


@pytest.mark.parametrize("victim", range(VALIDATORS + 1))
def test_a_node_that_slept_through_epochs_comes_back(victim: int) -> None:
    """Whether it kept, lost or won its seat meanwhile."""
    world = make_epoch_world()
    crowd = Crowd(world, {0: NEWCOMERS[0], 1: NEWCOMERS[1]})
    assert crowd.run(100, lambda: len(world.validators()[0].head.state.accounts) == 3)
    node = node_of(world, SIGNERS[victim])
    assert node is not None
    node.kill()
    assert crowd.run(200, lambda: min(epochs(world)) >= 2)
    world.add_validator(victim)
    assert crowd.run(100, lambda: len(epochs(world)) == 1 and len(heads(world)) == 1)
    check_one_chain(world)


@pytest.mark.parametrize("victim", [0, VALIDATORS])
def test_a_node_that_slept_through_epochs_and_pruning_takes_a_checkpoint(victim: int) -> None:
    """Every epoch that it passes over is proven to it, and by it to others."""
    world = make_epoch_world(staleness_max=1, body_window=4)
    crowd = Crowd(world, {0: NEWCOMERS[0], 1: NEWCOMERS[1]})
    assert crowd.run(100, lambda: len(world.validators()[0].head.state.accounts) == 3)
    node = node_of(world, SIGNERS[victim])
    assert node is not None
    node.kill()
    before = max(heights(world))
    assert crowd.run(200, lambda: min(epochs(world)) >= 2 and max(heights(world)) > before + 10)
    again = world.add_validator(victim)
    assert crowd.run(100, lambda: len(epochs(world)) == 1 and len(heads(world)) == 1)
    assert [one.event for one in again.notes].count("checkpoint_installed") == 1
    check_one_chain(world)


@pytest.fixture(scope="module")
def effects_before_the_boundary() -> int:
    """How many effects validator 0 has had executed when its first epoch ends."""
    world = make_epoch_world()
    victim = Mortal(world.nodes[0], Promises(world.stores[0], world.rules.chain_id), 0)
    assert Crowd(world, {0: NEWCOMERS[0]}).run(100, lambda: world.validators()[0].seated.epoch == 1)
    return victim.executed_count


@pytest.mark.parametrize("offset", range(-12, 12, 3))
def test_a_validator_killed_between_two_effects_around_the_boundary(
    offset: int, effects_before_the_boundary: int
) -> None:
    world = make_epoch_world()
    kept = Promises(world.stores[0], world.rules.chain_id)
    victim = Mortal(world.nodes[0], kept, effects_before_the_boundary + offset)
    crowd = Crowd(world, {0: NEWCOMERS[0]})
    assert crowd.run(100, lambda: victim.is_dead)
    world.nodes[0].kill()
    crowd.run(2, lambda: False)
    Mortal(world.add_validator(0), kept, 0)
    assert crowd.run(100, lambda: epochs(world) == {1})
    before = max(heights(world))
    assert crowd.run(100, lambda: min(heights(world)) > before + 1)
    check_one_chain(world)
    assert not world.evidence


def trouble(world: World, generator: random.Random) -> None:
    """One node dies or is cut off for a while, or the MQTT server forgets everything."""
    what = generator.randrange(3)
    victim = generator.choice(world.nodes)
    index = next(i for i, one in enumerate(SIGNERS) if one.public_key == victim.key)
    clients = [session.client for session in world.server._sessions.values()]
    if what == 0:
        victim.kill()
        world.run(generator.randrange(100, 40_000))
        world.add_validator(index)
    elif what == 1:
        world.server.cut(victim.name)
        world.run(generator.randrange(100, 40_000))
        world.server.heal(victim.transport)
    else:
        world.server.restart()
        world.run(generator.randrange(100, 10_000))
        for client in clients:
            world.server.heal(client)


@pytest.mark.parametrize("seed", range(6))
def test_any_trouble_around_the_boundaries_leaves_one_chain_that_goes_on(seed: int) -> None:
    generator = random.Random(seed)
    world = make_epoch_world(lossy(seed, drop_pct=5))
    crowd = Crowd(world, {number: NEWCOMERS[number] for number in range(CANDIDATES)})
    for _ in range(12):
        crowd.run(generator.randrange(1, 8), lambda: False)
        if generator.random() < 0.2:
            crowd.leavers ^= {generator.randrange(CANDIDATES)}
        trouble(world, generator)
    before = max(heights(world))
    assert crowd.run(200, lambda: min(heights(world)) > before + 4)
    assert max(epochs(world)) >= 1
    check_one_chain(world)
    assert not world.evidence
