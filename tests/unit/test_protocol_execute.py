"""[EXE], [REG], [RND], [UPD], [PAR]: what a block may say and what it does; each case breaks one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_client.protocol.accounts import Account
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.arithmetic import CREDIT_BITS
from edge_client.protocol.genesis import Admission
from edge_client.protocol.model import decode_model, model_root
from edge_client.protocol.params import Selection
from edge_client.protocol.records import Record
from edge_client.protocol.update import UpdateBody
from tests.builders import (
    ChainMaker,
    make_genesis,
    make_params,
    make_signers,
    make_update,
    make_voucher,
    params_change,
    register,
)
from tests.exact_aggregation import Contribution, aggregate

DEVICES = make_signers(16, "device")


def refused(chain: ChainMaker, *records: Record, time_s: int | None = None) -> Reason:
    """Why a block of these records is refused; the chain stays as it was."""
    before = chain.state
    with pytest.raises(ProtocolError) as caught:
        chain.add(records, time_s)
    assert chain.state is before
    return caught.value.reason


def chain_of(devices: int = 4, admission: Admission = Admission.OPEN, **params: int) -> ChainMaker:
    return ChainMaker(make_genesis(admission=admission, params=make_params(**params)), devices)


# --- registration [REG] -------------------------------------------------------------------------------------


def test_registration_appends_an_empty_account_seen_in_the_round_before() -> None:
    chain = chain_of(0)
    chain.add([register(DEVICES[5], chain.chain_id)])
    chain.add([register(DEVICES[2], chain.chain_id)])
    assert list(chain.state.accounts) == [Account(DEVICES[5].public_key), Account(DEVICES[2].public_key)]
    assert chain.state.learning.round == 1
    chain.close_round((0, 1))
    chain.add([register(DEVICES[0], chain.chain_id)])
    assert chain.state.accounts[2].last_round == 1


@pytest.mark.parametrize("admission", Admission)
def test_who_may_register(admission: Admission) -> None:
    chain = chain_of(0, admission)
    chain.join(2)
    assert len(chain.state.accounts) == 2
    stranger = make_signers(1, "stranger")[0]
    if admission == Admission.OPEN:
        chain.add([register(stranger, chain.chain_id)])
    else:
        assert refused(chain, register(stranger, chain.chain_id)) == Reason.NOT_ADMITTED


def test_a_key_registers_once() -> None:
    chain = chain_of(1)
    assert refused(chain, register(DEVICES[0], chain.chain_id)) == Reason.DUPLICATE
    twice = register(DEVICES[1], chain.chain_id), register(DEVICES[1], chain.chain_id)
    assert twice[0] == twice[1]
    assert refused(chain, *twice) == Reason.DUPLICATE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"signature": bytes(64)}, Reason.BAD_SIGNATURE),
        ({"public_key": bytes(32)}, Reason.OUT_OF_RANGE),
        ({"public_key": b"\x01" + bytes(30) + b"\x80"}, Reason.OUT_OF_RANGE),
        ({"public_key": make_signers(1, "stranger")[0].public_key}, Reason.BAD_SIGNATURE),
    ],
    ids=["no signature", "small order", "small order with sign bit", "another's key"],
)
def test_a_registration_is_signed_by_a_usable_key(change: dict[str, Any], reason: Reason) -> None:
    chain = chain_of(0)
    assert refused(chain, replace(register(DEVICES[0], chain.chain_id), **change)) == reason


def test_a_registration_is_for_one_chain() -> None:
    other = chain_of(0, round_s=61)
    assert refused(chain_of(0), register(DEVICES[0], other.chain_id)) == Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [
        {"voucher": 1},
        {"owner": 1},
        {"voucher_key": b"k" * 32},
        {"owner_signature": b"s" * 64},
        {"voucher_signature": b"s" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("admission", [Admission.OPEN, Admission.LIST])
def test_no_part_of_a_voucher_where_none_is_asked_for(admission: Admission, change: dict[str, Any]) -> None:
    chain = chain_of(0, admission)
    record = replace(register(DEVICES[0], chain.chain_id), **change).sign(DEVICES[0], chain.chain_id)
    assert refused(chain, record) == Reason.OUT_OF_RANGE


@pytest.mark.parametrize(
    "change",
    [
        {"voucher": 0},
        {"voucher": 2},
        {"owner": 1},
        {"owner": 3},
        {"voucher_key": make_signers(1, "thief")[0].public_key},
        {"owner_signature": bytes(64)},
        {"voucher_signature": bytes(64)},
    ],
    ids=["no number", "other number", "other owner", "unknown owner", "other key", "ungranted", "unclaimed"],
)
def test_a_voucher_counts_whole(change: dict[str, Any]) -> None:
    chain = chain_of(0, Admission.TOKEN)
    record = register(DEVICES[0], chain.chain_id, make_voucher(chain.chain_id))
    broken = replace(record, **change).sign(DEVICES[0], chain.chain_id)
    assert refused(chain, broken) == Reason.NOT_ADMITTED
    chain.add([record])
    assert chain.state.accounts[0].voucher == 1


def test_a_voucher_seen_on_its_way_cannot_be_stolen() -> None:
    chain = chain_of(0, Admission.TOKEN)
    seen = register(DEVICES[0], chain.chain_id, make_voucher(chain.chain_id))
    stolen = replace(seen, public_key=DEVICES[1].public_key).sign(DEVICES[1], chain.chain_id)
    assert refused(chain, stolen) == Reason.NOT_ADMITTED


def test_a_voucher_is_used_once() -> None:
    chain = chain_of(0, Admission.TOKEN)
    records = [register(device, chain.chain_id, make_voucher(chain.chain_id)) for device in DEVICES[:2]]
    assert refused(chain, *records) == Reason.DUPLICATE
    chain.add(records[:1])
    assert refused(chain, records[1]) == Reason.NOT_ADMITTED


def test_registrations_a_block_are_bounded() -> None:
    chain = chain_of(0, registrations_max=2)
    records = [register(device, chain.chain_id) for device in DEVICES[:3]]
    assert refused(chain, *records) == Reason.INVALID_BLOCK
    chain.add(records[:2])


# --- blocks without updates [EXE-3] ------------------------------------------------------------------------


def test_a_block_without_records_changes_nothing() -> None:
    chain = chain_of()
    before = chain.state
    chain.add()
    assert chain.state.app_leaves(chain.validators, chain.validators) == before.app_leaves(
        chain.validators, chain.validators
    )


def test_a_block_of_other_records_leaves_model_and_round_alone() -> None:
    chain = chain_of()
    before = chain.state
    chain.join(1)
    assert (chain.state.learning, chain.state.bases) == (before.learning, before.bases)
    assert chain.outcomes[-1].model is None
    assert chain.state.accounts.root() != before.accounts.root()


# --- closing a round [RND] ---------------------------------------------------------------------------------


def test_k_selected_updates_close_a_round_at_once() -> None:
    chain = chain_of(k=2)
    assert refused(chain, make_update(chain, 0).head) == Reason.INVALID_BLOCK
    chain.close_round((0, 1), time_s=chain.time_s)
    assert chain.state.learning.round == 2


@pytest.mark.parametrize(("late_s", "closes"), [(59, False), (60, True), (1000, True)])
def test_min_updates_close_a_round_at_its_deadline(late_s: int, closes: bool) -> None:
    chain = chain_of(k=3, k_max=8, min_updates=2, round_s=60)
    opened = chain.state.learning.opened_at_s
    heads = [make_update(chain, account).head for account in (0, 1)]
    if closes:
        chain.add(heads, time_s=opened + late_s)
        assert chain.state.learning.round == 2
    else:
        assert refused(chain, *heads, time_s=opened + late_s) == Reason.INVALID_BLOCK


def test_fewer_than_min_updates_never_close_a_round() -> None:
    chain = chain_of(k=3, min_updates=2)
    assert refused(chain, make_update(chain, 0).head, time_s=10_000) == Reason.INVALID_BLOCK


def test_more_than_k_max_updates_are_refused() -> None:
    chain = chain_of(k=1, k_max=2)
    heads = [make_update(chain, account).head for account in range(3)]
    assert refused(chain, *heads) == Reason.INVALID_BLOCK
    chain.add(heads[:2])


def test_the_next_round_is_opened_by_the_closing_header() -> None:
    chain = chain_of()
    chain.close_round((0, 1, 2), time_s=33)
    learning, header = chain.state.learning, chain.headers[-1]
    assert (learning.round, learning.opened_height, learning.opened_at_s) == (2, header.height, 33)
    assert (learning.seed, learning.updates) == (header.history_root, 3)
    assert chain.state.bases[-1].model_root == chain.light_block().app.model_root
    outcome = chain.outcomes[-1]
    assert outcome.model is not None
    assert model_root(outcome.model) == chain.state.model_root


def test_an_unselected_update_waits_for_the_deadline() -> None:
    chain = chain_of(4, selection=Selection.EXACT, selected=2, k=2)
    chain.close_round((0, 1), time_s=5000)  # round 1 had no accounts when it opened: everybody was in
    seed, theta = chain.state.learning.seed, chain.state.learning.theta
    assert theta < 2**64 - 1
    selected = [i for i in range(4) if is_in(chain, i)]
    out = next(i for i in range(4) if i not in selected)
    assert len(selected) == 2
    heads = [make_update(chain, account).head for account in (*selected, out)]
    deadline = chain.state.learning.opened_at_s + 60
    assert refused(chain, *heads, time_s=deadline - 1) == Reason.UNSELECTED
    assert (chain.state.learning.seed, chain.state.learning.theta) == (seed, theta)
    chain.add(heads, time_s=deadline)
    assert chain.state.learning.updates == 3


def is_in(chain: ChainMaker, account: int) -> bool:
    from edge_client.protocol.execution.selection import is_selected

    learning = chain.state.learning
    return is_selected(learning.seed, chain.state.accounts[account].public_key, learning.theta)


# --- updates [UPD] -----------------------------------------------------------------------------------------


def unregistered(chain: ChainMaker) -> Record:
    return make_update(chain, 9, signer=DEVICES[9]).head


def of_round(round_number: int) -> Callable[[ChainMaker], Record]:
    return lambda chain: make_update(chain, 0, round=round_number).head


def changed(**changes: Any) -> Callable[[ChainMaker], Record]:
    return lambda chain: make_update(chain, 0, **changes).head


def signed_by_another(chain: ChainMaker) -> Record:
    head = make_update(chain, 0).head
    return head.sign(chain.signer_of(1), chain.chain_id)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (unregistered, Reason.UNREGISTERED),
        (of_round(3), Reason.UNKNOWN_BASE),
        (changed(base_height=1), Reason.UNKNOWN_BASE),
        (changed(base_model=b"m" * 32), Reason.UNKNOWN_BASE),
        (changed(size=11), Reason.WRONG_SHAPE),
        (changed(steps=4), Reason.OUT_OF_RANGE),
        (of_round(1), Reason.REPLAY),
        (signed_by_another, Reason.BAD_SIGNATURE),
    ],
    ids=[
        "unregistered",
        "future round",
        "base height",
        "base model",
        "size",
        "too partial",
        "replay",
        "signature",
    ],
)
def test_an_update_that_cannot_count(make: Callable[[ChainMaker], Record], reason: Reason) -> None:
    chain = chain_of()
    chain.close_round((0, 1))
    assert refused(chain, make(chain), make_update(chain, 1).head) == reason


def test_an_account_registered_in_the_same_block_cannot_update() -> None:
    chain = chain_of(2)
    update = make_update(chain, 2, signer=DEVICES[2]).head
    newcomer = register(DEVICES[2], chain.chain_id)
    assert refused(chain, newcomer, make_update(chain, 0).head, update) == Reason.UNREGISTERED


def test_one_update_of_an_account_a_block() -> None:
    chain = chain_of()
    first, second = make_update(chain, 0).head, make_update(chain, 0, samples=39, steps=10).head
    assert refused(chain, first, second, make_update(chain, 1).head) == Reason.DUPLICATE


def test_a_jailed_account_is_refused() -> None:
    chain = chain_of()
    jailed = replace(chain.state.accounts[0], jailed_until=2)
    chain.states[-1] = replace(chain.state, accounts=chain.state.accounts.changed({0: jailed}, []))
    assert refused(chain, make_update(chain, 0).head, make_update(chain, 1).head) == Reason.JAILED


def test_nobody_hands_in_the_body_of_another() -> None:
    chain = chain_of()
    made = make_update(chain, 0)
    copied = make_update(chain, 1, update_root=made.head.update_root)
    chain.update_bodies[made.head.update_root] = made.body
    assert refused(chain, made.head, copied.head) == Reason.WRONG_HASH


def test_a_body_with_a_bad_code_makes_the_block_invalid() -> None:
    chain = chain_of()
    bad = UpdateBody((-10, -10), np.full(8, -128, dtype=np.int8))
    assert refused(chain, make_update(chain, 0, bad).head, make_update(chain, 1).head) == Reason.OUT_OF_RANGE


def test_a_missing_body_is_our_own_bug() -> None:
    chain = chain_of()
    heads = [make_update(chain, account).head for account in (0, 1)]
    chain.update_bodies.clear()
    with pytest.raises(RuntimeError, match="is not stored"):
        chain.add(heads)


# --- lateness [LATE] ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("staleness_max", [0, 3])
def test_an_update_counts_until_staleness_max_rounds_late(staleness_max: int) -> None:
    chain = chain_of(3, staleness_max=staleness_max)
    late = make_update(chain, 2)
    for _ in range(staleness_max):
        chain.close_round((0, 1))
    assert late.head.round == chain.state.learning.round - staleness_max
    chain.add([make_update(chain, 0).head, late.head])
    late = make_update(chain, 2)
    for _ in range(staleness_max + 1):
        chain.close_round((0, 1))
    assert refused(chain, make_update(chain, 0).head, late.head) == Reason.STALE


def test_weight_and_reward_halve_with_lateness_and_shrink_with_partial_work() -> None:
    chain = chain_of(4, clip_norm_q20=2**32 - 1, mint=1000)
    late = make_update(chain, 3)
    chain.close_round((0, 1))
    heads = [make_update(chain, 0).head, make_update(chain, 1, steps=5).head, late.head]
    chain.add(heads)
    whole, half, stale = chain.outcomes[-1].credits
    assert (whole.weight, half.weight, stale.weight) == (1 << 23, 1 << 22, 1 << 22)
    assert (whole.reward, half.reward, stale.reward) == (500, 250, 250)
    assert chain.state.accounts[3].last_round == 1
    assert chain.state.accounts[0].last_round == 2


def test_a_late_update_does_not_come_after_a_newer_one() -> None:
    chain = chain_of(3)
    late = make_update(chain, 2)
    chain.close_round((0, 1))
    chain.close_round((0, 2))
    assert refused(chain, make_update(chain, 0).head, late.head) == Reason.REPLAY


# --- the model and the books [AGG], [MINT] -----------------------------------------------------------------


def test_the_model_is_the_exact_weighted_mean() -> None:
    chain = chain_of(3, sample_cap=50, clip_norm_q20=1 << 17)
    made = [
        make_update(chain, i, samples=samples, steps=steps)
        for i, (samples, steps) in enumerate([(40, 10), (80, 20), (40, 5)])
    ]
    base = decode_model(chain.models[chain.state.model_root], 8).tolist()
    chain.add([one.head for one in made])
    contributions = []
    for one, done in zip(made, [40 << CREDIT_BITS, 50 << CREDIT_BITS, 20 << CREDIT_BITS], strict=True):
        body = UpdateBody.decode(one.body, (6, 2))
        codes = body.codes.tolist()
        contributions.append(
            Contribution(0xFFFF * done, body.exponents, (tuple(codes[:6]), tuple(codes[6:])))
        )
    expected, _ = aggregate(base, 20, contributions, 1 << 17)
    assert decode_model(chain.models[chain.state.model_root], 8).tolist() == expected
    assert expected != base


def test_saturation_is_reported() -> None:
    chain = chain_of(clip_norm_q20=2**32 - 1)
    big = UpdateBody((0, 0), np.full(8, 127, dtype=np.int8))
    small = UpdateBody((-30, -30), np.zeros(8, dtype=np.int8))
    for _ in range(40):
        chain.add([make_update(chain, 0, big).head, make_update(chain, 1, big).head])
    assert chain.outcomes[-1].saturated_count == 8
    chain.add([make_update(chain, 0, small).head, make_update(chain, 1, small).head])
    assert chain.outcomes[-1].saturated_count == 0


def test_the_mint_of_a_round_goes_to_those_who_took_part() -> None:
    chain = chain_of(3, mint=1001)
    chain.close_round((0, 2))
    balances = [account.balance for account in chain.state.accounts]
    assert sum(balances) == 1001
    assert balances[1] == 0
    assert abs(balances[0] - balances[2]) <= 1


def test_contribution_decays_by_a_64th_a_round() -> None:
    chain = chain_of(2, clip_norm_q20=2**32 - 1)
    chain.close_round((0, 1))
    assert chain.state.accounts[0].contribution == 1 << 23
    chain.close_round((0, 1))
    assert chain.state.accounts[0].contribution == (1 << 23) * 63 // 64 + (1 << 23)


# --- rules of training [PAR] -------------------------------------------------------------------------------


def test_new_params_are_in_force_from_the_next_round() -> None:
    chain = chain_of()
    changed_params = make_params(k=3, sequence=1)
    chain.add([params_change(chain.chain_id, changed_params)])
    assert chain.state.params.in_force.k == 2
    assert chain.state.params.next == changed_params
    chain.close_round((0, 1))
    assert chain.state.params.in_force == chain.state.params.next == changed_params
    assert refused(chain, make_update(chain, 0).head, make_update(chain, 1).head) == Reason.INVALID_BLOCK
    chain.close_round((0, 1, 2))


def test_params_may_change_in_the_closing_block_itself() -> None:
    chain = chain_of()
    change = params_change(chain.chain_id, make_params(mint=5, sequence=1))
    chain.add([make_update(chain, 0).head, make_update(chain, 1).head, change])
    assert sum(account.balance for account in chain.state.accounts) == 1_000_000
    assert chain.state.params.in_force.mint == 5


@pytest.mark.parametrize(
    ("sequence", "owners", "reason"),
    [
        (0, (0, 1), Reason.REPLAY),
        (2, (0, 1), Reason.REPLAY),
        (1, (0,), Reason.TOO_FEW_SIGNATURES),
        (1, (), Reason.TOO_FEW_SIGNATURES),
        (1, (0, 3), Reason.BAD_SIGNATURE),
    ],
    ids=["replayed", "skipped", "one owner", "nobody", "not an owner"],
)
def test_params_need_the_owners_and_the_next_number(
    sequence: int, owners: tuple[int, ...], reason: Reason
) -> None:
    chain = chain_of()
    assert refused(chain, params_change(chain.chain_id, make_params(sequence=sequence), owners)) == reason


def test_params_signed_for_other_params_or_another_chain_are_refused() -> None:
    chain, other = chain_of(), chain_of(round_s=61)
    change = params_change(chain.chain_id, make_params(sequence=1))
    assert refused(chain, replace(change, params=make_params(sequence=1, k=3))) == Reason.BAD_SIGNATURE
    elsewhere = params_change(other.chain_id, make_params(sequence=1))
    assert refused(chain, elsewhere) == Reason.BAD_SIGNATURE


def test_params_must_fit_the_graph() -> None:
    chain = chain_of()
    change = params_change(chain.chain_id, make_params(sequence=1, batch=5))
    assert refused(chain, change) == Reason.OUT_OF_RANGE


def test_one_change_of_params_a_block_and_the_last_before_the_round_closes_wins() -> None:
    chain = chain_of()
    both = [params_change(chain.chain_id, make_params(sequence=1, mint=mint)) for mint in (3, 4)]
    assert refused(chain, *both) == Reason.INVALID_BLOCK
    chain.add(both[:1])
    chain.add([params_change(chain.chain_id, make_params(sequence=2, mint=9))])
    chain.close_round((0, 1))
    assert chain.state.params.in_force.mint == 9
