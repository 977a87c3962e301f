"""A seat from a board owner's wish to its end: agents, validators and a newcomer's node in one world."""

from __future__ import annotations

from edge_client.core.events import SettleWish, Wished
from edge_client.protocol.accounts import JAILED_FOR_GOOD
from edge_client.protocol.consent import Consent, Wish
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Received
from edge_client.protocol.messages import encode_validator_say
from edge_client.protocol.topics import Topics
from edge_client.protocol.votes import Subject, VoteKind, vote
from tests.simulation.epoch_world import (
    BOND,
    SIGNERS,
    VALIDATORS,
    check_one_chain,
    epochs,
    heads,
    heights,
    make_epoch_world,
    node_of,
)
from tests.simulation.fleet import DeviceNode, add_device, device_heads
from tests.simulation.world import World

DEVICES, NEWCOMER = 3, VALIDATORS
LIMIT_MS = 900_000


def seated_world() -> tuple[World, list[DeviceNode], int]:
    """Device 0 has wished, and the newcomer's key holds the seat of its account."""
    world = make_epoch_world()
    devices = [add_device(world, number) for number in range(DEVICES)]
    assert world.run(LIMIT_MS, lambda: balance(devices[0]) >= BOND)
    proof = devices[0].agent.participant.membership.proof  # type: ignore[union-attr]
    assert proof is not None
    consent = Consent.by(SIGNERS[NEWCOMER], world.rules.chain_id, proof.index)
    devices[0].post(Wished(Wish(consent)))
    assert world.run(LIMIT_MS, lambda: epochs(world) == {1})
    return world, devices, proof.index


def balance(device: DeviceNode) -> int:
    participant = device.agent.participant
    account = participant.membership.account if participant else None
    return account.balance if account else 0


def test_a_wish_of_a_real_agent_seats_the_key_that_consented() -> None:
    world, devices, account = seated_world()
    state = world.validators()[0].head.state
    assert [seat.key for seat in state.seats.next if seat.account == account] == [
        SIGNERS[NEWCOMER].public_key
    ]
    assert state.accounts[account].stake == BOND
    assert devices[0].settled == [SettleWish("done")]
    height = max(heights(world))
    assert world.run(LIMIT_MS, lambda: min(heights(world)) > height + 4)
    world.run(60_000)
    check_one_chain(world)
    assert device_heads(world) <= heads(world) | {one.head.hash for one in world.validators()}
    devices[0].post(Wished(Wish(None)))
    assert world.run(LIMIT_MS, lambda: 2 in epochs(world))
    assert devices[0].settled == [SettleWish("done")] * 2
    assert world.evidence == []


def test_an_elected_validator_that_contradicts_itself_loses_bond_account_and_seat() -> None:
    world, _, account = seated_world()
    slot = max(one.head.slot for one in world.validators()) + 2
    index = next(
        i for i, seat in enumerate(world.validators()[0].head.state.seats.next) if seat.account == account
    )
    signer, chain_id = SIGNERS[NEWCOMER], world.rules.chain_id
    topic = Topics.of(chain_id).validator_say(node_id(signer.public_key))
    held = sum(one.balance + one.stake for one in world.validators()[0].head.state.accounts)
    for mark in (1, 2):
        subject = Subject(VoteKind.NOTARIZE, 1, slot, 99, bytes([mark]) * 32)
        cast = vote(subject, index, signer.sign(subject.signing_bytes(chain_id)))
        node = node_of(world, SIGNERS[1])
        assert node is not None
        node.post(Received(topic, encode_validator_say(cast)))
    assert world.run(LIMIT_MS, lambda: jailed(world, account))
    for one in world.validators():
        found = one.head.state.accounts[account]
        assert (found.stake, found.contribution) == (0, 0)
        assert one.head.state.seats.candidates == ()
    mint = world.genesis.params.mint
    state = world.validators()[0].head.state
    minted = sum(one.balance + one.stake for one in state.accounts) + BOND - held
    assert minted % mint == 0, "only what was minted since, less the bond"
    assert world.run(LIMIT_MS, lambda: epochs(world) == {2})
    seats = world.validators()[0].head.state.seats
    assert account not in [seat.account for seat in seats.next]
    height = max(heights(world))
    assert world.run(LIMIT_MS, lambda: min(heights(world)) > height + 4)
    check_one_chain(world)


def jailed(world: World, account: int) -> bool:
    return all(one.head.state.accounts[account].jailed_until == JAILED_FOR_GOOD for one in world.validators())
