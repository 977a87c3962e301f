"""A validator's `Peers` on a made chain, and what a test sends it."""

from __future__ import annotations

from itertools import count

from broker.core.consensus.events import CheckBlock, FetchBlock
from broker.core.ledger import Candidate, Clock, Ledger
from broker.core.peers import Outcome, Peers
from edge_client.protocol.body import Body, encode_block
from edge_client.protocol.chunks import ObjectKind, Piece, split
from edge_client.protocol.header import Header
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.messages import Ask, GetChunks
from edge_client.protocol.votes import Proposal
from tests.builders import ChainMaker, make_signers
from tests.ledger_rig import ledger_of, seating_of, store_of

PEER = node_id(make_signers(2)[1].public_key)
OUTSIDER = node_id(make_signers(1, "outsider")[0].public_key)
DISK_WITHOUT_UPDATES = tuple(set(ObjectKind) - {ObjectKind.UPDATE})


class Rig:
    """Peers of a validator whose finalised head is the block of `height` and whose disk has no updates."""

    def __init__(self, chain: ChainMaker, height: int | None = None) -> None:
        self.chain = chain
        self.height = chain.height if height is None else height
        self.now_ms = (chain.genesis.t0_s + chain.states[self.height].learning.opened_at_s + 20) * 1000
        kinds = DISK_WITHOUT_UPDATES
        if self.height < chain.height:
            kinds = (ObjectKind.GENESIS, ObjectKind.MODEL)
        self.store = store_of(chain, kinds)
        self.ledger: Ledger = ledger_of(chain, self.store, self.height)
        nonces = count(1)
        clock, seating = Clock(chain.genesis.t0_s), seating_of(self.ledger, self.store)
        self.peers = Peers(seating, self.store, self.ledger, clock, lambda: next(nonces))

    def hear_run(self, run: HeaderRun, sender: str = PEER) -> None:
        self.peers.header_run(run, sender, self.now_ms)

    def propose(self, header: Header) -> None:
        self.peers.check_block(CheckBlock(Proposal(header.slot, header, b"")))

    def certified(self, candidate: Candidate) -> None:
        tip = candidate.tip
        self.peers.fetch_block(FetchBlock(tip.hash, tip.height, tip.slot))

    def push(self, root: bytes, data: bytes, source: str = "peer") -> list[Ask]:
        asks = []
        chunks = split(data)
        for index, chunk in enumerate(chunks):
            asks += self.peers.piece(source, root, index, Piece(len(chunks), chunk).encode(), self.now_ms)
        return asks

    def push_block(self, header: Header, body: Body) -> None:
        self.push(header.hash(self.chain.chain_id), encode_block(header, body))

    def step(self, slot: int | None = None) -> Outcome:
        slot = self.ledger.head.slot + 1 if slot is None else slot
        return self.peers.step(slot, self.now_ms)

    def wanted(self) -> set[bytes]:
        self.now_ms += 100_000
        return {
            ask.question.root for ask in self.peers.due(self.now_ms) if isinstance(ask.question, GetChunks)
        }
