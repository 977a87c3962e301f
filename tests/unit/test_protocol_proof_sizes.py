"""What a bundle weighs on a chain of a million blocks; the hashes are made up, the structs are real."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.protocol import merkle
from edge_client.protocol.body import RecordProof
from edge_client.protocol.keys import verify
from edge_client.protocol.mmr import Peaks, bag, parent_hash
from edge_client.protocol.proof_checks import Anchor, Proven, check_proof
from edge_client.protocol.proofs import AncestorProof, BalanceProof, Bundle, ProofFile, UpdateProof
from edge_client.protocol.update import UpdateHead
from tests.builders import ChainMaker, make_genesis
from tests.light_forge import finality

ROUNDS, ACCOUNTS, UPDATES = 1_000_000, 1_000, 128
SIZES = ((4, 2368, 2400), (7, 2496, 2500), (16, 2880, 2900))
"""Validators; bytes of head, certificate, own update and balance; what they may be."""
MOST_PEAKS = 983_039
"""The number up to a million with the most set bits: 19 peaks instead of 7."""


def filler(count: int, seed: int = 0) -> tuple[bytes, ...]:
    return tuple(bytes([seed, i]) * 16 for i in range(count))


def some(root: bytes | None) -> bytes:
    assert root is not None
    return root


def made_up_history(chain: ChainMaker, rounds: int) -> tuple[AncestorProof, Peaks]:
    """A header of height 1 and a range of `rounds` leaves that holds it in its largest mountain."""
    header, siblings = chain.headers[0], filler(rounds.bit_length() - 1)
    node = header.hash(chain.chain_id)
    for level, sibling in enumerate(siblings):
        node = parent_hash(node, sibling) if level else parent_hash(sibling, node)
    peaks = Peaks(rounds, (node, *filler(rounds.bit_count() - 1, seed=1)))
    return AncestorProof(header, siblings), peaks


def million(validators: int, rounds: int = ROUNDS) -> ProofFile:
    """A signed proof of an update in a block whose way to the head is the longest, and an account there."""
    chain = ChainMaker(make_genesis(validators=validators), devices=1)
    block, proof = chain.light_block(1), chain.states[1].accounts.prove(0)
    account = replace(proof, index=5, count=ACCOUNTS, path=filler(10))
    update = UpdateHead(5, 1, 0, bytes(32), bytes(32), 99, 40, 10)
    record = RecordProof(3, UPDATES, filler(7), bytes(32))
    state = replace(block.state, accounts_root=some(account.root()))
    app = replace(block.app, state_root=state.root())
    chain.headers[0] = replace(chain.headers[0], body_root=some(record.body_root_for(update)))
    at, peaks = made_up_history(chain, rounds)
    root = bag(rounds, peaks.hashes)
    head = replace(chain.headers[0], height=rounds, slot=rounds, history_root=root, app_root=app.root())
    claims = (UpdateProof(at, update, record), BalanceProof(None, app, state, account))
    return ProofFile(chain.genesis, Bundle(head, finality(chain, head), peaks, None, claims))


@pytest.mark.parametrize(("validators", "size_bytes", "limit_bytes"), SIZES)
def test_update_and_balance_after_a_million_rounds(
    validators: int, size_bytes: int, limit_bytes: int
) -> None:
    file = million(validators)
    assert isinstance(check_proof(file, Anchor(file.genesis.chain_id()), verify), Proven)
    assert len(file.bundle.encode()) == size_bytes <= limit_bytes


def test_what_the_worst_number_of_peaks_costs() -> None:
    """The limits are for a million rounds; a little before, 12 peaks more cost 384 bytes more."""
    file = million(4, MOST_PEAKS)
    assert isinstance(check_proof(file, Anchor(file.genesis.chain_id()), verify), Proven)
    assert len(file.bundle.encode()) == SIZES[0][1] + 12 * 32


def test_the_shape_of_the_made_up_tree_is_that_of_a_real_one() -> None:
    assert len(merkle.path(merkle.levels(filler(250) * 4), 5)) == 10
    assert len(merkle.path(merkle.levels(filler(128)), 3)) == 7
