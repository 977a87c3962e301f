"""A validator's whole folder is put back from an older copy; it contradicts nothing it signed since."""

from __future__ import annotations

from copy import copy
from random import Random

import pytest

from broker.adapters.memory_store import MemoryStore
from broker.core.guard import LISTEN_FIRST, LISTEN_MS, Standing
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.keys import verify
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import decode_validator_say
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.votes import Proposal, Snapshot, Vote, VoteKind
from edge_client.runtime.memory import Hop, ServerRules
from firmware_profiles.simulate.world import Node
from tests.builders import make_genesis, make_params, make_signers
from tests.simulation.fleet import add_device, device_heads
from tests.simulation.world import World

VALIDATORS, DEVICES = 4, 3
LIFE_MS = 30_000
SEEDS = range(12, 24)
LOSSY_SEEDS = (90, 214)
"""They once contradicted themselves."""
REJOINING = Standing(is_rejoining=True)


class Signatures:
    """Everything one key has signed and published, over all machines and lives. What it repeats of others,
    who ask what they signed, is not its own."""

    def __init__(self, chain_id: bytes, key: bytes, validators: ValidatorSet) -> None:
        """The set must stay."""
        self._chain_id, self._key = chain_id, key
        self._own_index = validators.index_of(key)
        self._subject: dict[tuple[int, int, str], bytes] = {}
        self.votes = 0

    def check(self, message: Publish) -> None:
        """Raises `AssertionError` for a pair that convicts."""
        levels = message.topic.split("/")[3:]
        if levels[0] != "val":
            return
        if levels[-1] == "snap":
            for vote in Snapshot.decode(message.payload).votes:
                self._check_vote(vote)
        elif levels[-1] == "say":
            said = decode_validator_say(message.payload)
            if isinstance(said, Vote):
                self.votes += said.signer == self._own_index
                self._check_vote(said)
            elif isinstance(said, Proposal) and self._is_own(said):
                self._once((said.header.epoch, said.slot), "proposal", said.encode())

    def _is_own(self, proposal: Proposal) -> bool:
        try:
            proposal.verify(self._chain_id, self._key, verify)
        except ProtocolError:
            return False
        return True

    def _check_vote(self, vote: Vote) -> None:
        if vote.signer != self._own_index:
            return
        place = vote.epoch, vote.slot
        self._once(place, VoteKind(vote.kind).name, vote.subject.encode())
        if vote.kind != VoteKind.NOTARIZE:  # never Z and F in one slot
            self._once(place, "Z or F", bytes([vote.kind]))

    def _once(self, place: tuple[int, int], what: str, content: bytes) -> None:
        """A block proposed again counts in the slot it is proposed in."""
        known = self._subject.setdefault((*place, what), content)
        assert known == content, f"two of {what} in slot {place[1]} of epoch {place[0]}"

    def watch(self, node: Node) -> Node:
        """Look at all that a node publishes."""
        publish = node.transport.publish

        def checked(effect: Publish) -> None:
            self.check(effect)
            publish(effect)

        node.executors[Publish] = checked
        return node


def backup(store: MemoryStore) -> MemoryStore:
    """A copy of the folder."""
    twin = copy(store)
    for name, value in vars(store).items():
        setattr(twin, name, copy(value))
    return twin


class Restore:
    """A fleet on a slow and lossy network, and a copy of validator 0's folder from `moment_ms` on."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        params = make_params(k=DEVICES, k_max=2 * DEVICES, min_updates=1)
        rules = ServerRules(link=self.link)
        signers = make_signers(VALIDATORS)
        self.world = World(make_genesis(VALIDATORS, params=params), signers, rules)
        genesis = self.world.genesis
        self.signatures = Signatures(genesis.chain_id(), signers[0].public_key, genesis.validators)
        self.is_calm = False
        self.victim = self.signatures.watch(self.world.add_validator(0))
        for index in range(1, VALIDATORS):
            self.world.add_validator(index)
        for number in range(DEVICES):
            add_device(self.world, number)

    def link(self, hop: Hop) -> tuple[int, ...]:
        """Between validators anything may take seconds or be lost, so that slots fail."""
        if self.is_calm or "/val/" not in hop.topic:
            return (0,)
        return () if self.rng.random() < 0.2 else (self.rng.choice((0, 5, 50, 1_500, 4_000)),)

    def put_back(self, *, in_time: bool = True) -> None:
        """Copy, live on, die, start from the copy; `in_time` are messages while it listens, if told."""
        self.world.run(self.rng.randrange(LIFE_MS))
        old = backup(self.world.stores[0])
        self.world.run(self.rng.choice((100, 1_000, 5_000, 20_000)))
        self.victim.kill()
        self.world.run(self.rng.choice((0, 100, 3_000)))
        self.world.stores[0] = old
        self.start()
        self.is_calm = in_time
        self.world.run(LISTEN_MS)
        self.is_calm = False

    def start(self, standing: Standing = LISTEN_FIRST) -> None:
        """Validator 0 again."""
        self.victim = self.signatures.watch(self.world.add_validator(0, standing))


@pytest.mark.parametrize("seed", LOSSY_SEEDS)
def test_nor_where_messages_are_lost_while_it_listens(seed: int) -> None:
    """Not so with every seed: see ADR 0012."""
    run = Restore(seed)
    run.put_back(in_time=False)
    run.world.run(20_000)
    assert run.signatures.votes
    assert not run.world.evidence


@pytest.mark.parametrize("seed", SEEDS)
def test_a_folder_put_back_at_a_random_moment_contradicts_nothing(seed: int) -> None:
    run = Restore(seed)
    run.put_back()
    run.world.run(20_000)
    if not run.victim.is_up:
        run.start(REJOINING)
    run.is_calm = True
    before = run.signatures.votes
    assert run.world.run(600_000, lambda: run.signatures.votes > before + 3), "it signs again in the end"
    run.world.run(5_000)
    assert {one.head.hash for one in run.world.validators()} == device_heads(run.world)
    assert not run.world.evidence
