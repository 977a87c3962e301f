"""Fraud proofs: a colluding quorum is convicted by what it made final, a right block never [FRD]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.encoding import uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.fraud import FRAUD_BYTES_MAX, FRAUD_MAGIC, FraudProof, Objects, is_fraud_proof
from edge_client.protocol.fraud_checks import NotProven, Proven, Verdict, Why, Wrong, check_fraud
from edge_client.protocol.handoff import Handoff, SetProof
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import verify
from edge_client.protocol.model import model_root
from edge_client.protocol.proof_checks import Anchor
from edge_client.protocol.proofs import PROOF_MAGIC
from edge_client.protocol.state import bases_root
from edge_client.protocol.state_object import encode_state
from tests.builders import (
    ChainMaker,
    chain_of,
    make_genesis,
    make_signers,
    make_update,
    make_voucher,
    register,
)
from tests.candidacies import opt_in, voting_chain
from tests.fraud_cases import forbidden, fraud_proof, from_above, overwrite

CHEAT = bytes([7]) * 32
SecondEpoch = tuple[ChainMaker, tuple[Handoff, ...]]


@pytest.fixture
def chain() -> ChainMaker:
    """Height 3: devices joined, two rounds closed."""
    made = chain_of(4)
    made.close_round()
    made.close_round((2, 3))
    return made


def judged(chain: ChainMaker, proof: FraudProof) -> Verdict:
    """By somebody who knows the chain id only, after a trip through the file."""
    return check_fraud(FraudProof.decode(proof.encode()), Anchor(chain.chain_id), verify)


def proven(chain: ChainMaker, proof: FraudProof) -> Proven:
    verdict = judged(chain, proof)
    assert isinstance(verdict, Proven), verdict
    return verdict


def why_not(chain: ChainMaker, proof: FraudProof) -> Why:
    verdict = judged(chain, proof)
    assert isinstance(verdict, NotProven), verdict
    return verdict.why


def overwritten(chain: ChainMaker, **leaves: bytes) -> AppLeaves:
    """The last block with other leaves; they are what the validators sign."""
    claimed = replace(chain.state.app_leaves(), **leaves)
    overwrite(chain, claimed)
    return claimed


# --- what a colluding quorum made final ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "wrong"),
    [
        ("model_root", Wrong.MODEL),
        ("state_root", Wrong.STATE),
        ("validators_root", Wrong.VALIDATORS),
        ("next_validators_root", Wrong.NEXT_VALIDATORS),
    ],
)
def test_a_wrong_leaf_is_named(chain: ChainMaker, leaf: str, wrong: Wrong) -> None:
    claimed = overwritten(chain, **{leaf: CHEAT})
    verdict = proven(chain, fraud_proof(chain, 3, claimed))
    assert (verdict.height, verdict.final_height, verdict.wrong) == (3, 3, (wrong,))
    assert verdict.signers == (0, 1, 2)
    assert verdict.keys == chain.validators.keys[:3]
    assert verdict.chain_id == chain.chain_id


def test_a_model_of_other_weights_also_makes_another_state(chain: ChainMaker) -> None:
    """The learning leaf names the model, too: who cheats well changes both."""
    bases = (*chain.state.bases[:-1], replace(chain.state.bases[-1], model_root=CHEAT))
    learning = replace(chain.state.learning, bases_root=bases_root(bases))
    claimed = replace(chain.state, bases=bases, learning=learning).app_leaves()
    overwrite(chain, claimed)
    assert proven(chain, fraud_proof(chain, 3, claimed)).wrong == (Wrong.MODEL, Wrong.STATE)


def test_units_minted_for_a_friend_are_a_wrong_state(chain: ChainMaker) -> None:
    rich = replace(chain.state.accounts[0], balance=chain.state.accounts[0].balance + 1)
    claimed = replace(chain.state, accounts=chain.state.accounts.changed({0: rich}, [])).app_leaves()
    overwrite(chain, claimed)
    assert proven(chain, fraud_proof(chain, 3, claimed)).wrong == (Wrong.STATE,)


def test_without_the_claimed_leaves_it_is_said_that_something_is_wrong(chain: ChainMaker) -> None:
    overwritten(chain, state_root=CHEAT)
    assert proven(chain, fraud_proof(chain, 3)).wrong == (Wrong.UNTOLD,)


def test_the_first_block_stands_on_genesis(chain: ChainMaker) -> None:
    first = chain_of(1)
    overwritten(first, state_root=CHEAT)
    proof = fraud_proof(first, 1)
    assert proof.before is None
    assert proven(first, proof).height == 1


def test_a_record_that_is_not_allowed_convicts_without_any_update_body(chain: ChainMaker) -> None:
    stranger = make_signers(1, "stranger")[0]
    forged = replace(make_update(chain, 0).head, round=9).sign(stranger, chain.chain_id)
    forbidden(chain, [forged])
    proof = replace(fraud_proof(chain, 3), objects=Objects(chain.bodies[-1].encode()))
    verdict = proven(chain, proof)
    assert verdict.wrong == (Wrong.RULES,)
    assert Reason.UNKNOWN_BASE.value in verdict.detail


def test_a_forged_registration_convicts(chain: ChainMaker) -> None:
    honest = register(make_signers(9, "device")[8], chain.chain_id)
    forbidden(chain, [replace(honest, signature=bytes(64))])
    verdict = proven(chain, fraud_proof(chain, 3))
    assert (verdict.wrong, Reason.BAD_SIGNATURE.value in verdict.detail) == ((Wrong.RULES,), True)


def test_a_voucher_where_none_is_asked_for_convicts(chain: ChainMaker) -> None:
    record = register(make_signers(9, "device")[8], chain.chain_id, make_voucher(chain.chain_id))
    forbidden(chain, [record])
    assert proven(chain, fraud_proof(chain, 3)).wrong == (Wrong.RULES,)


@pytest.mark.parametrize(("changes", "why"), [({"slot": 2}, "slot"), ({"time_s": 1}, "time")])
def test_a_header_that_cannot_follow_its_parent_convicts(
    chain: ChainMaker, changes: dict[str, int], why: str
) -> None:
    overwrite(chain, None, **changes)
    verdict = proven(chain, fraud_proof(chain, 3))
    assert verdict.wrong == (Wrong.RULES,)
    assert why in verdict.detail


def test_a_block_without_records_convicts(chain: ChainMaker) -> None:
    forbidden(chain, [])
    assert "no records" in proven(chain, fraud_proof(chain, 3)).detail


def test_a_wrong_block_under_a_final_header_is_shown_from_there(chain: ChainMaker) -> None:
    claimed = overwritten(chain, model_root=CHEAT)
    proof = fraud_proof(chain, 3, claimed)
    chain.add([register(make_signers(9, "device")[8], chain.chain_id)])
    verdict = proven(chain, from_above(chain, proof))
    assert (verdict.height, verdict.final_height, verdict.wrong) == (3, 4, (Wrong.MODEL,))


@pytest.fixture
def second_epoch() -> SecondEpoch:
    """Height 4, the first block of an epoch in which account 1 has seat 0, and the way there."""
    chain = voting_chain(epoch_blocks=3)
    chain.add([opt_in(chain, 1)])
    before, after = chain.state.seats.validators, chain.state.seats.next_validators
    sets = SetProof.of(chain.state.app_leaves(), before, after)
    hop = Handoff(chain.headers[-1], chain.finality(3), sets)
    chain.close_round()
    return chain, (hop,)


def test_the_state_of_a_boundary_is_rolled_first(
    second_epoch: SecondEpoch,
) -> None:
    chain, hops = second_epoch
    signers = (1, 2, 3)
    assert chain.headers[-1].epoch == 1
    right = with_place(fraud_proof(chain, 4, hops=hops), finality=chain.finality(4, signers))
    assert why_not(chain, right) is Why.RIGHT
    assert why_not(chain, with_place(right, hops=())) is Why.SET_NOT_REACHED
    claimed = overwritten(chain, next_validators_root=CHEAT)
    wrong = with_place(fraud_proof(chain, 4, claimed, hops), finality=chain.finality(4, signers))
    verdict = proven(chain, wrong)
    assert verdict.wrong == (Wrong.NEXT_VALIDATORS,)
    assert (verdict.signers, verdict.keys) == (signers, chain.validators.keys[1:])
    by_the_old_set = with_place(wrong, finality=chain.finality(4, (0, 1, 2)))
    assert why_not(chain, by_the_old_set) is Why.NOT_SIGNED


def test_an_old_set_that_goes_on_after_its_boundary_is_convicted(second_epoch: SecondEpoch) -> None:
    chain, _ = second_epoch
    overwrite(chain, epoch=0)
    verdict = proven(chain, fraud_proof(chain, 4))
    assert (verdict.wrong, "epoch" in verdict.detail) == ((Wrong.RULES,), True)


# --- what proves nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [1, 2, 3])
def test_a_right_block_is_right(chain: ChainMaker, height: int) -> None:
    claimed = chain.states[height].app_leaves()
    assert why_not(chain, fraud_proof(chain, height, claimed)) is Why.RIGHT
    assert why_not(chain, fraud_proof(chain, height)) is Why.RIGHT


def with_objects(proof: FraudProof, **changes: object) -> FraudProof:
    return replace(proof, objects=replace(proof.objects, **changes))  # type: ignore[arg-type]


def with_before(proof: FraudProof, **changes: object) -> FraudProof:
    assert proof.before is not None
    return replace(proof, before=replace(proof.before, **changes))  # type: ignore[arg-type]


def with_place(proof: FraudProof, **changes: object) -> FraudProof:
    return replace(proof, place=replace(proof.place, **changes))  # type: ignore[arg-type]


MISSING: dict[str, Callable[[FraudProof], FraudProof]] = {
    "body": lambda one: with_objects(one, body=b""),
    "model": lambda one: with_objects(one, model=b""),
    "all updates": lambda one: with_objects(one, updates=()),
    "an update": lambda one: with_objects(one, updates=(b"", one.objects.updates[1])),
    "state": lambda one: with_before(one, state=b""),
}
OTHERS: dict[str, Callable[[FraudProof], FraudProof]] = {
    "body": lambda one: with_objects(one, body=one.objects.body + b"\0"),
    "model": lambda one: with_objects(one, model=one.objects.model[:-1] + b"\1"),
    "updates in another order": lambda one: with_objects(one, updates=one.objects.updates[::-1]),
    "an update more": lambda one: with_objects(one, updates=(*one.objects.updates, b"more")),
    "an update's last code": lambda one: with_objects(
        one, updates=(one.objects.updates[0], one.objects.updates[1][:-1] + b"\1")
    ),
    "state": lambda one: with_before(one, state=b"\1"),
    "parent's leaves": lambda one: with_before(one, app=AppLeaves(CHEAT, CHEAT, CHEAT, CHEAT)),
    "block's leaves": lambda one: replace(one, claimed=AppLeaves(CHEAT, CHEAT, CHEAT, CHEAT)),
}


@pytest.mark.parametrize("what", MISSING)
def test_a_missing_object_proves_nothing_even_of_a_wrong_block(chain: ChainMaker, what: str) -> None:
    claimed = overwritten(chain, model_root=CHEAT)
    assert why_not(chain, MISSING[what](fraud_proof(chain, 3, claimed))) is Why.MISSING


@pytest.mark.parametrize("what", OTHERS)
def test_another_object_than_the_named_one_proves_nothing(chain: ChainMaker, what: str) -> None:
    assert why_not(chain, OTHERS[what](fraud_proof(chain, 3))) is Why.NOT_NAMED
    claimed = overwritten(chain, model_root=CHEAT)
    assert why_not(chain, OTHERS[what](fraud_proof(chain, 3, claimed))) is Why.NOT_NAMED


def test_the_state_after_the_block_is_not_that_before_it(chain: ChainMaker) -> None:
    proof = with_before(fraud_proof(chain, 3), state=encode_state(chain.state))
    assert why_not(chain, proof) is Why.NOT_NAMED


def test_less_than_a_quorum_convicts_nobody(chain: ChainMaker) -> None:
    claimed = overwritten(chain, model_root=CHEAT)
    proof = with_place(fraud_proof(chain, 3, claimed), finality=chain.finality(3, (0, 1)))
    assert why_not(chain, proof) is Why.NOT_SIGNED


def test_a_header_that_nobody_signed_convicts_nobody(chain: ChainMaker) -> None:
    signed = chain.finality(3)
    claimed = overwritten(chain, model_root=CHEAT)
    assert why_not(chain, with_place(fraud_proof(chain, 3, claimed), finality=signed)) is Why.NOT_SIGNED


def test_another_epoch_than_the_handoffs_lead_to_is_not_reached(chain: ChainMaker) -> None:
    overwrite(chain, epoch=1)
    assert why_not(chain, fraud_proof(chain, 3)) is Why.SET_NOT_REACHED


def test_a_parent_the_block_does_not_name_is_not_linked(chain: ChainMaker) -> None:
    claimed = overwritten(chain, model_root=CHEAT)
    proof = fraud_proof(chain, 3, claimed)
    assert proof.before is not None
    other = replace(proof.before.header, time_s=proof.before.header.time_s + 1)
    assert why_not(chain, with_before(proof, header=other)) is Why.NOT_LINKED
    assert why_not(chain, with_place(proof, peaks=chain.peaks(2))) is Why.NOT_LINKED
    assert why_not(chain, replace(proof, before=None)) is Why.NOT_LINKED


def test_a_block_beside_the_final_chain_is_not_linked(chain: ChainMaker) -> None:
    """A quorum voted for one block of the height; a wrong one that nobody made final is no fraud."""
    right = fraud_proof(chain, 3)
    chain.add([register(make_signers(9, "device")[8], chain.chain_id)])
    proof = from_above(chain, right)
    assert why_not(chain, proof) is Why.RIGHT
    wrong = replace(proof, header=replace(proof.header, app_root=CHEAT))
    assert why_not(chain, wrong) is Why.NOT_LINKED
    assert proof.place.above is not None
    block = replace(proof.place.above.block, header=wrong.header)
    above = replace(proof.place.above, block=block)
    assert why_not(chain, with_place(wrong, above=above)) is Why.NOT_LINKED


def test_a_state_that_no_right_block_leads_to_ends_the_check(chain: ChainMaker) -> None:
    """A quorum that made final a balance of all ones is convicted by that block: the one after it, which
    cannot be executed, neither convicts nor crashes."""
    full = [replace(one, balance=(1 << 64) - 1) for one in chain.states[2].accounts]
    chain.states[2] = replace(chain.states[2], accounts=Accounts.of(full))
    chain.headers.pop()
    overwrite(chain, chain.states[2].app_leaves())
    records = chain.bodies.pop().records
    chain.headers.append(
        replace(chain.headers[-1], height=3, slot=3, time_s=30, history_root=chain.peaks().root())
    )
    chain.bodies.append(chain.bodies[-1])
    forbidden(chain, records)
    assert why_not(chain, fraud_proof(chain, 3)) is Why.BREAKS_OFF
    assert proven(chain, fraud_proof(chain, 2)).wrong == (Wrong.UNTOLD,)


# --- what the reader trusts ------------------------------------------------------------------------------


def test_another_chain_is_told(chain: ChainMaker) -> None:
    verdict = check_fraud(fraud_proof(chain, 3), Anchor(CHEAT), verify)
    assert isinstance(verdict, NotProven)
    assert verdict.why is Why.WRONG_CHAIN


@pytest.mark.parametrize("height", [2, 3])
def test_a_checkpoint_at_block_or_parent_ties_the_file_to_the_chain(chain: ChainMaker, height: int) -> None:
    overwritten(chain, model_root=CHEAT)
    proof = fraud_proof(chain, 3)
    trusted = Checkpoint(height, chain.headers[height - 1].hash(chain.chain_id))
    assert isinstance(check_fraud(proof, Anchor(checkpoint=trusted), verify), Proven)
    for anchor, why in (
        (Anchor(checkpoint=Checkpoint(height, CHEAT)), Why.WRONG_CHAIN),
        (Anchor(chain.chain_id, Checkpoint(height, CHEAT)), Why.CONTRADICTED),
        (Anchor(checkpoint=Checkpoint(1, trusted.header_hash)), Why.NOT_LINKED),
    ):
        verdict = check_fraud(proof, anchor, verify)
        assert isinstance(verdict, NotProven)
        assert verdict.why is why


# --- the file --------------------------------------------------------------------------------------------


def test_a_file_is_told_from_a_proof_of_a_fact(chain: ChainMaker) -> None:
    data = fraud_proof(chain, 3).encode()
    assert is_fraud_proof(data)
    assert not is_fraud_proof(PROOF_MAGIC + data)
    assert FRAUD_MAGIC != PROOF_MAGIC


def test_what_is_no_fraud_proof_is_refused(chain: ChainMaker) -> None:
    data = fraud_proof(chain, 3).encode()
    for broken in (b"", data[:-1], data + b"\0", FRAUD_MAGIC, FRAUD_MAGIC + uint(2, 1) + data[9:]):
        with pytest.raises(DecodeError):
            FraudProof.decode(broken)
    with pytest.raises(DecodeError) as caught:
        FraudProof.decode(bytes(FRAUD_BYTES_MAX + 1))
    assert caught.value.reason is Reason.OVERSIZE


def test_the_model_before_is_that_of_the_parent(chain: ChainMaker) -> None:
    """A chain of another genesis shares no object with this one."""
    other = ChainMaker(make_genesis(5), 4)
    assert model_root(fraud_proof(chain, 3).objects.model) == chain.states[2].model_root
    assert judged(chain, replace(fraud_proof(chain, 3), genesis=other.genesis)) != judged(
        chain, fraud_proof(chain, 3)
    )
