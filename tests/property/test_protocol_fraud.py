"""No bytes convict a right block: whatever is made of its fraud proofs, it proves nothing [FRD-4]."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.fraud import FraudProof
from edge_client.protocol.fraud_checks import NotProven, Proven, Why, check_fraud
from edge_client.protocol.keys import verify
from edge_client.protocol.proof_checks import Anchor
from tests.builders import ChainMaker, chain_of
from tests.fraud_cases import fraud_proof, from_above, overwrite


@cache
def right_chain() -> ChainMaker:
    """Devices joined, then three rounds."""
    chain = chain_of(4)
    for accounts in ((0, 1), (2, 3), (0, 2)):
        chain.close_round(accounts)
    return chain


@cache
def files() -> tuple[bytes, ...]:
    """What can be written about its blocks: with the leaves and without, by own and by later finality."""
    chain = right_chain()
    made = []
    for height in range(1, chain.height + 1):
        proof = fraud_proof(chain, height, chain.states[height].app_leaves())
        made += [proof, replace(proof, claimed=None)]
        if height < chain.height:
            made.append(from_above(chain, proof))
    return tuple(one.encode() for one in made)


def decoded(data: bytes) -> FraudProof | None:
    try:
        return FraudProof.decode(data)
    except DecodeError:
        return None


def assert_convicts_nobody(data: bytes) -> None:
    proof = decoded(data)
    if proof is None:
        return
    assert proof.encode() == data
    verdict = check_fraud(proof, Anchor(right_chain().chain_id), verify)
    assert isinstance(verdict, NotProven), verdict


@st.composite
def changed(draw: st.DrawFn, sources: tuple[bytes, ...]) -> bytes:
    """One of the files with some bytes changed; sometimes with a stretch cut out, doubled or moved."""
    data = bytearray(draw(st.sampled_from(sources)))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] ^= draw(st.integers(1, 255))
    if draw(st.booleans()):
        start = draw(st.integers(0, len(data)))
        stretch = data[start : start + draw(st.integers(0, 200))]
        del data[start : start + draw(st.integers(0, 200))]
        at = draw(st.integers(0, len(data)))
        data[at:at] = stretch
    return bytes(data)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_change_of_bytes_convicts_a_right_block(data: st.DataObject) -> None:
    assert_convicts_nobody(data.draw(changed(files())))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_parts_of_several_right_proofs_together_convict_nobody(data: st.DataObject) -> None:
    """Everything decodes here, so it is the hashes that hold."""
    whole = [one for one in map(decoded, files()) if one is not None]
    one = data.draw(st.sampled_from(whole))
    names = ("header", "place", "before", "claimed", "objects")
    parts = {name: getattr(data.draw(st.sampled_from(whole)), name) for name in names}
    kept = data.draw(st.sets(st.sampled_from(names)))
    mixed = replace(one, **{name: part for name, part in parts.items() if name not in kept})
    assert_convicts_nobody(mixed.encode())


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_objects_of_bytes_that_nobody_named_convict_nobody(data: st.DataObject) -> None:
    proof = decoded(data.draw(st.sampled_from(files())))
    assert proof is not None
    objects = proof.objects
    some = st.one_of(st.binary(max_size=64), st.sampled_from((objects.model, objects.body, *objects.updates)))
    updates = data.draw(st.lists(some, max_size=4))
    made = replace(objects, model=data.draw(some), updates=tuple(updates))
    assert_convicts_nobody(replace(proof, objects=made).encode())


def test_untouched_they_say_that_the_block_is_right() -> None:
    for data in files():
        proof = decoded(data)
        assert proof is not None
        verdict = check_fraud(proof, Anchor(right_chain().chain_id), verify)
        assert isinstance(verdict, NotProven)
        assert verdict.why is Why.RIGHT


@cache
def wrong_file() -> bytes:
    """About a block with a wrong model that a quorum made final."""
    chain = chain_of(4)
    chain.close_round()
    claimed = replace(chain.state.app_leaves(), model_root=bytes(32))
    overwrite(chain, claimed)
    return fraud_proof(chain, 2, claimed).encode()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_proof_of_a_wrong_block_says_the_same_or_nothing(data: st.DataObject) -> None:
    true = decoded(wrong_file())
    assert true is not None
    anchor = Anchor(true.genesis.chain_id())
    said = check_fraud(true, anchor, verify)
    assert isinstance(said, Proven)
    proof = decoded(data.draw(changed((wrong_file(),))))
    verdict = said if proof is None else check_fraud(proof, anchor, verify)
    assert isinstance(verdict, NotProven) or replace(verdict, signers=said.signers, keys=said.keys) == said
