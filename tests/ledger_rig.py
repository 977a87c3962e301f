"""Ledgers on top of a made chain: for a leader that builds blocks, for a validator that checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from broker.adapters.memory_store import MemoryStore
from broker.core.identity import Identity
from broker.core.ledger import Candidate, Ledger, Place, Tip
from broker.core.seating import Seating
from edge_client.protocol.chunks import ObjectKind
from edge_client.protocol.keys import Signer
from edge_client.protocol.records import Record
from edge_client.protocol.votes import Certificate, Quorum, finalize
from tests.builders import ChainMaker, make_signers

OBSERVER = make_signers(1, "observer")[0]
EVERYTHING: tuple[ObjectKind, ...] = tuple(ObjectKind)


def tip_of(chain: ChainMaker, height: int | None = None) -> Tip:
    """The block of a height as something to build on."""
    height = chain.height if height is None else height
    state, peaks = chain.states[height], chain.peaks(height)
    if not height:
        return Tip(chain.chain_id, 0, 0, 0, peaks, state)
    header = chain.headers[height - 1]
    return Tip(header.hash(chain.chain_id), height, header.slot, header.time_s, peaks, state)


def store_of(chain: ChainMaker, kinds: Iterable[ObjectKind] = EVERYTHING) -> MemoryStore:
    """A disk with the chain's objects of these kinds."""
    wanted = set(kinds)
    objects: Mapping[tuple[ObjectKind, bytes], bytes] = chain.objects()
    return MemoryStore({key: data for key, data in objects.items() if key[0] in wanted})


def ledger_of(chain: ChainMaker, store: MemoryStore, height: int | None = None) -> Ledger:
    """A ledger whose finalised head is the block of `height`."""
    return Ledger(chain.rules, store, tip_of(chain, height))


def seating_of(ledger: Ledger, store: MemoryStore, signer: Signer = OBSERVER) -> Seating:
    """Who is seated on that ledger's head, as the owner of a key sees it."""
    return Seating(Identity.of(ledger.rules, signer), store, ledger)


def next_block(
    chain: ChainMaker, records: Iterable[Record], slot: int | None = None, time_s: int | None = None
) -> Candidate:
    """What an honest leader with everything at hand proposes on the chain's last block."""
    leader, parent = ledger_of(chain, store_of(chain)), tip_of(chain)
    slot = parent.slot + 1 if slot is None else slot
    place = Place(slot, chain.validators.leader(chain.chain_id, slot), time_s or parent.time_s + 10)
    justification = (chain.certificate(chain.height),) if chain.height else ()
    return leader.build(parent, records, justification, place)


def finalised(chain: ChainMaker, candidate: Candidate) -> Certificate:
    """What makes a candidate final."""
    subject = finalize(candidate.header, candidate.tip.hash)
    message = subject.signing_bytes(chain.chain_id)
    signatures = {i: chain.signers[i].sign(message) for i in range(chain.validators.quorum)}
    return Certificate(subject, Quorum.of(signatures))
