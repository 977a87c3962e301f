"""A chain that elects its validators, with scripted devices that want seats, and what must hold of it.

Devices repeat whatever has not had its effect yet each time they are poked, so any fault may hit any message.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from broker.core.validator import Validator
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, SubmitRecord
from edge_client.protocol.records import OptIn, OptOut, Record, consent_bytes
from edge_client.protocol.state import ChainState
from edge_client.protocol.validators import signer_indices
from edge_client.runtime.memory import ServerRules
from firmware_profiles.simulate.world import Node
from tests.builders import make_genesis, make_params, make_signers, make_update
from tests.simulation.scripted import Device, view
from tests.simulation.world import World

VALIDATORS, DEVICES, CANDIDATES = 4, 3, 2
SIGNERS = make_signers(VALIDATORS + CANDIDATES)
BOND = 100
POKE_MS = 3_000


def make_epoch_world(rules: ServerRules | None = None, **params: int) -> World:
    """Four validators and two nodes that follow; an election every four blocks."""
    settings = {"k": DEVICES, "k_max": 4 * DEVICES, "min_updates": 1, "round_s": 30}
    elections = {"epoch_blocks": 4, "churn_max": 1, "bond": BOND, "unbonding_blocks": 128}
    genesis = make_genesis(VALIDATORS, params=make_params(**settings, **elections, **params))
    world = World(genesis, SIGNERS, rules)
    for index in range(len(SIGNERS)):
        world.add_validator(index)
    return world


@dataclass
class Crowd:
    """All devices of a world. `holders`: device -> the node whose key shall have the seat that it earns;
    `leavers`: devices that want their bond back."""

    world: World
    holders: dict[int, Signer]
    leavers: set[int] = field(default_factory=set)
    devices: list[Device] = field(init=False)

    def __post_init__(self) -> None:
        self.devices = [Device(self.world, number) for number in range(DEVICES)]

    def run(self, steps_max: int, until: object) -> bool:
        """Poke and let time pass until the condition holds."""
        assert callable(until)
        for _ in range(steps_max):
            if self.world.run(POKE_MS, until):
                return True
            self.poke()
        return False

    def poke(self) -> None:
        """Every device does again what has had no effect so far, as the highest head shows it."""
        head = max(self.world.validators(), key=lambda one: one.head.height)
        state = head.head.state
        numbers = {account.public_key: index for index, account in enumerate(state.accounts)}
        for number, device in enumerate(self.devices):
            account = numbers.get(device.signer.public_key)
            if account is None:
                device.join()
                continue
            device.offer(make_update(view(self.world, head, self.devices), account))
            wish = self._wish(number, account, state, head)
            if wish is not None:
                ask = Ask(account, 0, SubmitRecord(wish))
                device.transport.publish(Publish(device.topics.up_ask(device.name), ask.encode()))

    def _wish(self, number: int, account: int, state: ChainState, head: Validator) -> Record | None:
        holder, row = self.holders.get(number), state.seats.candidate_of(account)
        chain_id, signer = self.world.rules.chain_id, self.devices[number].signer
        if row is not None and number in self.leavers and not row.is_leaving:
            return OptOut(account, head.head.height).sign(signer, chain_id)
        if row is not None or holder is None or state.accounts[account].balance < BOND:
            return None
        if number in self.leavers:
            return None
        consent = holder.sign(consent_bytes(chain_id, account))
        wish = OptIn(account, holder.public_key, BOND, head.head.height, consent)
        return wish.sign(signer, chain_id)


def followers(world: World) -> list[Validator]:
    """The running nodes that the others help: all but those whose bond is not on the chain [ASK-6]."""
    seats = max(world.validators(), key=lambda one: one.head.height).head.state.seats
    keys = {*world.genesis.validators.keys, *(one.key for one in seats.candidates)}
    nodes = [node for node in world.nodes if node.key in keys]
    return [node.machine for node in nodes if isinstance(node.machine, Validator)]


def epochs(world: World) -> set[int]:
    """The epoch of the next block, as each of them sees it."""
    return {one.seated.epoch for one in followers(world)}


def heads(world: World) -> set[bytes]:
    """Their heads."""
    return {one.head.hash for one in followers(world)}


def heights(world: World) -> list[int]:
    """Their heights."""
    return [one.head.height for one in followers(world)]


def check_one_chain(world: World) -> None:
    """No two nodes have different blocks of one height, and every epoch ended with a block of its own."""
    for store in world.stores.values():
        for height in range(1, 1 << 20):
            header = store.header(height)
            if header is None:
                break
            others = [other.header(height) for other in world.stores.values()]
            assert {header} == {one for one in others if one is not None}
            before = store.header(height - 1)
            if before is not None and header.epoch != before.epoch:
                handoff = store.handoff(before.epoch)
                assert handoff is not None
                assert (header.epoch, handoff.header) == (before.epoch + 1, before)


def signed_in(world: World, signer: Signer) -> set[int]:
    """Epochs in which a key is found under finality certificates, on any disk."""
    found = set()
    chain_id = world.rules.chain_id
    for store in world.stores.values():
        sets = {0: world.genesis.validators}
        for epoch in range(1 << 10):
            handoff = store.handoff(epoch)
            if handoff is None:
                break
            sets[epoch + 1] = handoff.sets.next
        for height in range(1, 1 << 20):
            header = store.header(height)
            if header is None:
                break
            certificate = store.certificate_from(height)
            if certificate is None or certificate.subject.hash != header.hash(chain_id):
                continue
            index = sets[header.epoch].index_of(signer.public_key)
            if index is not None and index in signer_indices(certificate.quorum.signers):
                found.add(header.epoch)
    return found


def node_of(world: World, signer: Signer) -> Node | None:
    """The running node with this key."""
    name = node_id(signer.public_key)
    return next((node for node in world.nodes if node.name == name), None)
