"""The onlooker believes proven headers only, and measures the models they name."""

from __future__ import annotations

from dataclasses import replace

from edge_client.core.identity import Identity
from edge_client.protocol.chunks import Piece, split
from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import LinkUp, Publish, Received, Refused, Subscribe
from edge_client.protocol.messages import Ask, GetChunks, GetHeaders, encode_say
from firmware_profiles.demo.observer import ModelHere, Observer
from tests.builders import T0_S, ChainMaker, make_signers

NOW_MS = (T0_S + 3600) * 1000


class Audience:
    """An observer, and validators that answer it from a `ChainMaker`."""

    def __init__(self, chain: ChainMaker) -> None:
        self.chain = chain
        self.identity = Identity(make_signers(1, "onlooker")[0], chain.chain_id)
        self.observer = Observer(self.identity, chain.genesis, b"s" * 32)
        self.followed = ""
        self.here: list[ModelHere] = []
        self.refused: list[Refused] = []
        self.take(self.observer.handle(LinkUp("test"), NOW_MS))

    def take(self, effects: object) -> None:
        assert isinstance(effects, list)
        for effect in effects:
            match effect:
                case Subscribe(filters):
                    heads = [name for name in filters if "/chain/head/" in name]
                    self.followed = heads[0].rsplit("/", 1)[1] if heads else self.followed
                case Publish(_, payload):
                    self.answer(Ask.decode(payload))
                case ModelHere():
                    self.here.append(effect)
                case Refused():
                    self.refused.append(effect)

    def answer(self, ask: Ask) -> None:
        topics, device = self.identity.topics, self.identity.device
        validator = node_id(self.chain.validators.keys[0])
        if isinstance(ask.question, GetHeaders):
            run = self.chain.header_run(ask.question.first, ask.question.last)
            self.receive(topics.down_say(device, validator), encode_say(run))
        elif isinstance(ask.question, GetChunks):
            pieces = split(self.chain.objects()[ask.question.kind, ask.question.root])
            for index, data in enumerate(pieces):
                topic = topics.down_chunk(device, validator, ask.question.root.hex(), index)
                self.receive(topic, Piece(len(pieces), data).encode())

    def receive(self, topic: str, payload: bytes) -> None:
        self.take(self.observer.handle(Received(topic, payload), NOW_MS))

    def publish(self, block: LightBlock) -> None:
        self.receive(self.identity.topics.chain_head(self.followed), block.encode())


def test_every_closed_round_is_measured_from_its_proven_model() -> None:
    chain = ChainMaker(devices=3)
    audience = Audience(chain)
    for _ in range(3):
        audience.publish(chain.close_round())
    assert [one.closed_round for one in audience.here] == [1, 2, 3]
    assert [one.accounts for one in audience.here] == [(0, 1)] * 3
    assert audience.here[-1].model == chain.model(chain.state.model_root)
    assert audience.here[-1].head.hash == chain.headers[-1].hash(chain.chain_id)
    assert not audience.refused


def test_a_head_without_a_quorum_is_refused() -> None:
    chain = ChainMaker(devices=3)
    audience = Audience(chain)
    block = chain.close_round()
    few = chain.light_block(signers=(0, 1))
    audience.publish(few)
    assert [one.reason for one in audience.refused] == [Reason.TOO_FEW_SIGNATURES]
    assert audience.here == []
    audience.publish(replace(block, app=replace(block.app, model_root=b"m" * 32)))
    assert len(audience.refused) == 2
    assert audience.here == []
