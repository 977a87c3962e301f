"""Chains that begin with seats of the test's choosing: elections would take many blocks to come there."""

from __future__ import annotations

from dataclasses import replace

from broker.core.effects import StoreFinal
from edge_client.protocol.body import Body
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.keys import Signer
from edge_client.protocol.mmr import EMPTY
from edge_client.protocol.seats import GENESIS_SEAT, Candidate, Seat, Seats
from edge_client.protocol.votes import Certificate, Quorum, finalize

BOND = 1000
ACCOUNT = 100_000
"""Of the first candidate; no device of a test gets this number."""


def seats_of(
    genesis: Genesis, candidates: tuple[Signer, ...], elected: dict[int, int] | None = None
) -> Seats:
    """Seats after block 1 with these candidates; `elected` (seat -> candidate) makes it a boundary."""
    rows = tuple(Candidate(ACCOUNT + i, one.public_key, BOND) for i, one in enumerate(candidates))
    seated = tuple(Seat(key, GENESIS_SEAT) for key in genesis.validators.keys)
    following = list(seated)
    for seat, candidate in (elected or {}).items():
        following[seat] = Seat(rows[candidate].key, rows[candidate].account)
    return Seats(0, 1, seated, tuple(following), bool(elected), rows)


def first_block(genesis: Genesis, signers: tuple[Signer, ...], seats: Seats) -> StoreFinal:
    """A first block after which `seats` hold, signed by the validators of genesis; it executes nowhere, so
    whoever takes part must have it on disk."""
    chain_id, body = genesis.chain_id(), Body.of((), ())
    state, peaks = replace(genesis_state(genesis), seats=seats), EMPTY.append(chain_id)
    header = Header(
        version=HEADER_VERSION,
        flags=0,
        proposer=0,
        validators=genesis.validators.count,
        height=1,
        slot=1,
        time_s=1,
        epoch=0,
        history_root=peaks.root(),
        body_root=body.root(),
        app_root=state.app_leaves().root(),
    )
    header_hash = header.hash(chain_id)
    subject = finalize(header, header_hash)
    message = subject.signing_bytes(chain_id)
    quorum = Quorum.of({i: signers[i].sign(message) for i in range(genesis.validators.quorum)})
    certificate = Certificate(subject, quorum)
    return StoreFinal(header, header_hash, certificate, state, (), None, (), peaks.append(header_hash))
