"""The desk where other validators are served: headers and objects, by the one of them whose turn it is."""

from __future__ import annotations

from broker.core.answers import header_run, pieces
from broker.core.archive import Archive
from broker.core.identity import Identity
from broker.core.rate import PEER_ASKS, Buckets
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Ask, GetChunks, GetHeaders, encode_validator_say


class PeerDesk:
    """Answers from what is final and on disk, within a rate per peer."""

    def __init__(self, identity: Identity, archive: Archive) -> None:
        self._identity = identity
        self._archive = archive
        self._rates = Buckets(PEER_ASKS)

    def ask(self, sender: int, payload: bytes, now_ms: int) -> list[Publish]:
        """`val/<val>/ask` of validator `sender`; raises `ProtocolError`."""
        identity = self._identity
        self._rates.take(identity.validator_names[sender], now_ms)
        ask = Ask.decode(payload)
        order = [i for i in identity.rules.genesis.validators.responders(ask.nonce) if i != sender]
        if not order or order[ask.attempt % len(order)] != identity.index:
            return []
        topics, question = identity.topics, ask.question
        if isinstance(question, GetHeaders):
            run = header_run(self._archive, question)
            topic = topics.validator_say(identity.name)
            return [] if run is None else [Publish(topic, encode_validator_say(run))]
        if isinstance(question, GetChunks):
            root = question.root.hex()
            return [
                Publish(topics.validator_chunk(identity.name, root, index), data)
                for index, data in pieces(self._archive, question)
            ]
        raise DecodeError("a validator asks for headers and objects only")
