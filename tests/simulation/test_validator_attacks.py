"""One of four validators is hostile: it leads its slots, ahead of time, with blocks that cost work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_client.protocol.body import Body, encode_block
from edge_client.protocol.chunks import Piece, split
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import Publish, Received
from edge_client.protocol.messages import encode_validator_say
from edge_client.protocol.topics import Topics
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Certificate, Proposal, Quorum, Subject, VoteKind
from edge_client.runtime.memory import MemoryTransport
from tests.builders import make_genesis, make_params, make_signers
from tests.simulation.fleet import add_device
from tests.simulation.world import World

VALIDATORS, DEVICES, HOSTILE = 4, 3, 3
SLOTS_AHEAD = 16
MADE_UP_UPDATES = 40

Attack = Callable[["Hostile", Header], tuple[Header, Body | None]]


class Hostile:
    """Sees every head; proposes for each of its next slots what `attack` makes, and says it twice."""

    def __init__(self, world: World, attack: Attack) -> None:
        self.world = world
        self.attack = attack
        self.signer = world.signers[HOSTILE]
        self.name = node_id(self.signer.public_key)
        self.topics = Topics.of(world.rules.chain_id)
        self.proposed_count = 0
        self.transport = MemoryTransport(world.server, self.name)
        self.transport.subscribe((f"{self.topics.base}/chain/head/+",))
        self.transport.start(self.hear)

    def hear(self, event: object) -> None:
        if isinstance(event, Received):
            header = LightBlock.decode(event.payload).header
            validators = self.world.genesis.validators
            for slot in range(header.slot + 1, header.slot + SLOTS_AHEAD):
                if validators.leader(self.world.rules.chain_id, slot) == HOSTILE:
                    self.propose(replace(self.plain(header), slot=slot))

    def plain(self, head: Header) -> Header:
        """A header that follows `head` and commits to nothing."""
        return Header(
            version=HEADER_VERSION,
            flags=0,
            proposer=HOSTILE,
            validators=VALIDATORS,
            height=head.height + 1,
            slot=head.slot + 1,
            time_s=self.world.now_ms // 1000 - self.world.genesis.t0_s,
            epoch=0,
            history_root=bytes(32),
            body_root=bytes(32),
            app_root=bytes(32),
        )

    def propose(self, header: Header) -> None:
        header, body = self.attack(self, header)
        chain_id = self.world.rules.chain_id
        if body is not None:
            header = replace(header, body_root=body.root())
            root, chunks = header.hash(chain_id), split(encode_block(header, body))
            for index, data in enumerate(chunks):
                topic = self.topics.validator_chunk(self.name, root.hex(), index)
                self.transport.publish(Publish(topic, Piece(len(chunks), data).encode()))
        unsigned = Proposal(header.slot, header, b"")
        proposal = replace(unsigned, signature=self.signer.sign(unsigned.signing_bytes(chain_id)))
        topic = self.topics.validator_say(self.name)
        self.transport.publish(Publish(topic, encode_validator_say(proposal)))
        self.proposed_count += 1


def without_a_body(_hostile: Hostile, header: Header) -> tuple[Header, Body | None]:
    """Nobody can fetch it."""
    return header, None


def on_a_made_up_parent(hostile: Hostile, header: Header) -> tuple[Header, Body | None]:
    """The parent is said to be of an honest leader's slot, is invalid, and is handed out, too. Whoever judged
    it would hold it against that leader and give the slot up."""
    final = hostile.world.stores[0].certificate_from(header.height - 1)
    body = Body.of([], [final] if final else [])
    parent = replace(header, slot=header.slot - 1, proposer=0, body_root=body.root())
    root = parent.hash(hostile.world.rules.chain_id)
    piece = Piece(1, encode_block(parent, body)).encode()
    hostile.transport.publish(Publish(hostile.topics.validator_chunk(hostile.name, root.hex(), 0), piece))
    subject = Subject(VoteKind.NOTARIZE, 0, parent.slot, parent.height, root)
    unsigned = Certificate(subject, Quorum.of(dict.fromkeys(range(3), bytes(64))))
    return replace(header, height=parent.height + 1), Body.of([], [unsigned])


def of_made_up_updates(hostile: Hostile, header: Header) -> tuple[Header, Body | None]:
    """No device signed them, and nobody has their bodies."""
    learning = hostile.world.validators()[0].head.state.learning
    heads = [
        UpdateHead(
            account=account % DEVICES,
            round=learning.round,
            base_height=learning.opened_height,
            base_model=bytes(32),
            update_root=header.slot.to_bytes(4, "big") * 7 + account.to_bytes(4, "big"),
            size=1000,
            samples=1,
            steps=1,
        )
        for account in range(MADE_UP_UPDATES)
    ]
    final = hostile.world.stores[0].certificate_from(header.height - 1)
    return header, Body.of(heads, [final] if final else [])


@pytest.mark.parametrize("attack", [without_a_body, on_a_made_up_parent, of_made_up_updates])
def test_rounds_go_on_beside_a_hostile_leader(attack: Attack) -> None:
    params = make_params(k=DEVICES, k_max=2 * DEVICES, min_updates=1)
    world = World(make_genesis(VALIDATORS, params=params), make_signers(VALIDATORS))
    honest = [world.add_validator(index) for index in range(VALIDATORS) if index != HOSTILE]
    hostile = Hostile(world, attack)
    for number in range(DEVICES):
        add_device(world, number)
    assert world.run(900_000, lambda: min(v.head.state.learning.round for v in world.validators()) > 8)
    assert hostile.proposed_count > 8
    world.run(1_000)
    assert len({one.head.hash for one in world.validators()}) == 1
    accused = {one.sender for node in honest for one in node.refused}
    assert accused <= {hostile.name}
    for index in range(VALIDATORS - 1):
        assert len(world.stores[index].load().log) < 1 << 20
