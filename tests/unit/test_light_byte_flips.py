"""No byte of a handoff, or of a bundle over epochs, can be another without the whole being refused."""

from __future__ import annotations

from edge_client.protocol import keys
from edge_client.protocol.encoding import Reader
from edge_client.protocol.errors import DecodeError, ProtocolError
from edge_client.protocol.handoff import Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.proof_checks import Anchor, Proven, check_proof
from edge_client.protocol.proofs import Bundle, ModelProof, ProofFile
from tests.light_epochs import rotating

CHAIN = rotating()


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
