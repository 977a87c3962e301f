"""The desk where other validators are served: headers and objects, by the one of them whose turn it is."""

from __future__ import annotations

from broker.core.accuser import Accuser, evidence_in
from broker.core.answers import header_run, pieces, within_epoch
from broker.core.archive import Archive
from broker.core.identity import Identity
from broker.core.ledger import Ledger
from broker.core.rate import OUTSIDER_ASKS, PEER_ASKS, Buckets
from broker.core.seating import Seating
from edge_client.protocol.body import encode_block
from edge_client.protocol.checkpoint import Checkpoint, GetCheckpoint
from edge_client.protocol.chunks import Piece, split
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.hops import answer_handoffs
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.machine import Note, Publish
from edge_client.protocol.messages import (
    Ask,
    GetChunks,
    GetHandoffs,
    GetHeaders,
    Handoffs,
    encode_validator_say,
)


class PeerDesk:
    """Answers from what is final and on disk, within a rate per peer; a stranger gets none."""

    def __init__(self, identity: Identity, seating: Seating, archive: Archive, accuser: Accuser) -> None:
        self._identity = identity
        self._seating = seating
        self._archive = archive
        self._accuser = accuser
        self._rates = Buckets(PEER_ASKS)
        self._outsider_rates = Buckets(OUTSIDER_ASKS)

    def push(self, ledger: Ledger, header: Header) -> list[Publish]:
        """The block of a proposal, sent before it by its leader, so that nobody has to ask for it."""
        root = header.hash(ledger.rules.chain_id)
        candidate = ledger.candidate(root)
        if candidate is None:
            return []
        chunks = split(encode_block(candidate.header, candidate.body))
        topics, name = self._identity.topics, self._identity.name
        return [
            Publish(topics.validator_chunk(name, root.hex(), index), Piece(len(chunks), data).encode())
            for index, data in enumerate(chunks)
        ]

    def count(self, sender: str, now_ms: int) -> None:
        """One more question of a node; raises `ProtocolError` when there were too many, or for a stranger."""
        if not self._seating.is_peer(sender):
            raise ProtocolError(Reason.WRONG_SENDER, "neither validator nor candidate")
        rates = self._outsider_rates if self._seating.now.index_of(sender) is None else self._rates
        rates.take(sender, now_ms)

    def ask(self, sender: str, payload: bytes, now_ms: int) -> list[Publish | Note]:
        """`val/<val>/ask` of a node; raises `ProtocolError`."""
        identity, seated = self._identity, self._seating.now
        self.count(sender, now_ms)
        ask = Ask.decode(payload)
        pair = evidence_in(ask.question)
        if pair is not None:
            return [*self._accuser.hear(pair, now_ms)]
        if not seated.has_turn(ask.nonce, ask.attempt, sender):
            return []
        topics, question = identity.topics, ask.question
        if isinstance(question, GetHeaders):
            run = header_run(self._archive, within_epoch(self._archive, question))
            return [] if run is None else [self._say(run)]
        if isinstance(question, GetChunks):
            root = question.root.hex()
            return [
                Publish(topics.validator_chunk(identity.name, root, index), data)
                for index, data in pieces(self._archive, question)
            ]
        if isinstance(question, GetHandoffs):
            found = answer_handoffs(question.first, question.last, self._archive.handoff)
            return [self._say(Handoffs(found))] if found else []
        if isinstance(question, GetCheckpoint):
            checkpoint = self._archive.checkpoint()
            return [] if checkpoint is None else [self._say(checkpoint)]
        raise DecodeError("a validator asks for headers, handoffs, checkpoints and objects only")

    def _say(self, message: HeaderRun | Handoffs | Checkpoint) -> Publish:
        topic = self._identity.topics.validator_say(self._identity.name)
        return Publish(topic, encode_validator_say(message))
