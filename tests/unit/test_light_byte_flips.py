"""No byte of a handoff, a bundle over epochs or an owner's header can be another without being refused."""

from __future__ import annotations

import pytest

from broker.core.answers import vouched
from edge_client.core.trusted import Tip
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import LightRules
from edge_client.core.vouching import land
from edge_client.protocol import keys
from edge_client.protocol.encoding import Reader
from edge_client.protocol.errors import DecodeError, ProtocolError
from edge_client.protocol.handoff import Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.proof_checks import Anchor, Proven, check_proof
from edge_client.protocol.proofs import Bundle, ModelProof, ProofFile
from edge_client.protocol.vouched import Vouched
from tests.light_epochs import rotating, set_of
from tests.light_shelf import Shelf

pytestmark = pytest.mark.slow
CHAIN = rotating()
RULES = LightRules(CHAIN.chain_id, CHAIN.genesis.t0_s, keys.verify)
SLEPT = Tip(2, CHAIN.hash(2), CHAIN.header(2).time_s, CHAIN.peaks(2))
WORD = Checkpoint(17, CHAIN.hash(17))


def flipped(data: bytes, at: int) -> bytes:
    """One bit of that byte, another one for each."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


def leads_on(data: bytes) -> bool:
    try:
        case = HandoffCase(
            CHAIN.chain_id, keys.verify, TrustedSet(0, CHAIN.genesis.validators), Handoff.decode(data)
        )
        verify_handoff(case)
    except ProtocolError:
        return False
    return True


def test_every_byte_of_a_handoff_counts() -> None:
    for handoff in (CHAIN.handoff(0), CHAIN.handoff(1)):
        data = handoff.encode()
        assert leads_on(data)
        assert [at for at in range(len(data)) if leads_on(flipped(data, at))] == []


def proves(data: bytes) -> bool:
    reader = Reader(data, "bundle")
    try:
        bundle = Bundle.read(reader)
        reader.finish()
    except DecodeError:
        return False
    verdict = check_proof(ProofFile(CHAIN.genesis, bundle), Anchor(CHAIN.chain_id), keys.verify)
    return isinstance(verdict, Proven)


def test_every_byte_of_a_bundle_over_epochs_counts() -> None:
    last = CHAIN.height
    hops = (CHAIN.handoff(1), CHAIN.handoff(3, (1, 2, 3)), CHAIN.handoff(5, (0, 1, 3)))
    claim = ModelProof(None, CHAIN.blocks[-1].app)
    head, finality = CHAIN.header(last), CHAIN.finality(last)
    data = Bundle(head, finality, CHAIN.peaks(last - 1), None, (claim,), hops).encode()
    assert proves(data)
    assert [at for at in range(len(data)) if proves(flipped(data, at))] == []


def lands(data: bytes) -> bool:
    """Whether the owner's word is taken in this form, and then leads where the true one does."""
    reader = Reader(data, "Vouched")
    try:
        vouched = Vouched.read(reader)
        reader.finish()
        landing = land(
            RULES, SLEPT, TrustedSets(TrustedSet(0, set_of(CHAIN.blocks[1].signers))), WORD, vouched
        )
    except ProtocolError:
        return False
    return landing.tip.hash == WORD.header_hash


def test_every_byte_of_what_the_owner_vouched_for_counts_but_the_signatures() -> None:
    """The header is known by its hash, and the end of the epoch before stands in its history: nobody's
    signature is asked for, so the finality of that end is read and no more."""
    true = vouched(Shelf(CHAIN), SLEPT.height, WORD.height)  # type: ignore[arg-type]
    assert true is not None
    assert true.end is not None
    data, handoff = true.encode(), true.end.handoff
    start = data.index(handoff.encode()) + len(handoff.header.encode())
    finality = range(start, start + len(handoff.finality.encode()))
    assert lands(data)
    taken = [at for at in range(len(data)) if lands(flipped(data, at))]
    assert set(taken) <= set(finality)
    assert len(taken) > len(finality) // 2
