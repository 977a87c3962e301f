"""A proof file holds for every height it can be about, and for nothing else its bytes can be turned into."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import verify
from edge_client.protocol.proof_checks import Anchor, NotLinked, Proven, Refused, check_proof
from edge_client.protocol.proofs import ProofFile
from tests.builders import ChainMaker
from tests.proof_builders import balance_proof, make_bundle, model_proof, update_proof

HEIGHTS = 21


@cache
def chains() -> tuple[ChainMaker, ...]:
    """The same first blocks, ended at different heights: every number of peaks occurs."""
    made = []
    for height in range(3, HEIGHTS):
        chain = ChainMaker(devices=3)
        chain.close_round()
        for _ in range(height - 2):
            chain.add()
        made.append(chain)
    return tuple(made)


@st.composite
def proofs(draw: st.DrawFn) -> tuple[ChainMaker, ProofFile, int]:
    """A chain, a true proof of some claims on it, and the height of its checkpoint."""
    chain = draw(st.sampled_from(chains()))
    height = st.integers(1, chain.height)
    claims = (
        update_proof(chain, 2, draw(st.integers(0, 1))),
        balance_proof(chain, draw(st.integers(0, 2)), draw(height)),
        model_proof(chain, draw(height)),
    )
    checkpoint = draw(height)
    chosen = tuple(claim for claim in claims if draw(st.booleans()))
    return chain, ProofFile(chain.genesis, make_bundle(chain, chosen, checkpoint)), checkpoint


@settings(max_examples=60, deadline=None)
@given(proofs())
def test_every_height_is_proven(made: tuple[ChainMaker, ProofFile, int]) -> None:
    chain, proof, height = made
    trusted = Checkpoint(height, chain.headers[height - 1].hash(chain.chain_id))
    again = ProofFile.decode(proof.encode())
    assert again == proof
    for anchor in (Anchor(chain.chain_id), Anchor(checkpoint=trusted), Anchor(chain.chain_id, trusted)):
        assert check_proof(again, anchor, verify) == Proven(chain.chain_id, 3)


@settings(max_examples=150, deadline=None)
@given(proofs(), st.data())
def test_changed_bytes_prove_nothing(made: tuple[ChainMaker, ProofFile, int], data: st.DataObject) -> None:
    chain, proof, height = made
    sound = proof.encode()
    at = data.draw(st.integers(0, len(sound) - 1))
    end = data.draw(st.integers(at, min(at + 40, len(sound))))
    broken = sound[:at] + data.draw(st.binary(max_size=40)) + sound[end:]
    trusted = Checkpoint(height, chain.headers[height - 1].hash(chain.chain_id))
    for anchor in (Anchor(chain.chain_id), Anchor(checkpoint=trusted)):
        try:
            verdict = check_proof(ProofFile.decode(broken), anchor, verify)
        except DecodeError:
            continue
        assert broken == sound or isinstance(verdict, (Refused, NotLinked))


@settings(max_examples=60, deadline=None)
@given(proofs(), proofs(), st.data())
def test_parts_of_two_proofs_make_no_third(
    one: tuple[ChainMaker, ProofFile, int], two: tuple[ChainMaker, ProofFile, int], data: st.DataObject
) -> None:
    """The files of one chain at two heights spliced anywhere: whole, or nothing."""
    sound, other = one[1].encode(), two[1].encode()
    at, resume = data.draw(st.integers(0, len(sound))), data.draw(st.integers(0, len(other)))
    spliced = sound[:at] + other[resume:]
    try:
        verdict = check_proof(ProofFile.decode(spliced), Anchor(one[0].chain_id), verify)
    except DecodeError:
        return
    assert isinstance(verdict, Refused) or spliced in (sound, other) or _is_weaker(spliced, one[1], two[1])


def _is_weaker(spliced: bytes, *whole: ProofFile) -> bool:
    """Nothing is proven that one of the two does not prove."""
    found = ProofFile.decode(spliced).bundle
    return any(
        found.head == proof.bundle.head and set(found.claims) <= set(proof.bundle.claims) for proof in whole
    )
