"""What waits for a block, what the best block is, and when one is due."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from broker.core import record_pool
from broker.core.pool import UPDATES_MAX, Pool
from broker.core.record_pool import RECORDS_MAX
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.evidence import VotePair
from edge_client.protocol.execution.candidacy import WISH_BLOCKS_MAX
from edge_client.protocol.execution.execute import Slot, execute
from edge_client.protocol.genesis import Admission
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.params import Selection
from edge_client.protocol.records import OptIn, ParamsChange, Record, Register
from tests.builders import (
    ChainMaker,
    chain_of,
    make_body,
    make_genesis,
    make_params,
    make_signers,
    make_update,
    make_voucher,
    params_change,
    register,
)
from tests.candidacies import opt_in, opt_out, seat_key, vote_pair, voting_chain
from tests.ledger_rig import tip_of

DEADLINE_S = 60
NEWCOMERS = make_signers(80, "device")[8:]


def filled(chain: ChainMaker, *accounts: int) -> Pool:
    """A pool with one update of each of these accounts."""
    pool = Pool(chain.rules)
    for account in accounts:
        pool.add_update(make_update(chain, account).head)
    return pool


def chosen_accounts(pool: Pool, chain: ChainMaker, time_s: int) -> list[int]:
    return [head.account for head in pool.choose_updates(chain.state, time_s)]


def check_executes(pool: Pool, chain: ChainMaker, time_s: int) -> list[Record]:
    """What the pool chooses is a block."""
    records = pool.choose(tip_of(chain), time_s)
    slot = Slot(chain.height + 1, time_s, chain.peaks().root())
    execute(chain.rules, chain.state, slot, Body.of(records, ()), chain)
    return records


# --- which updates close the round -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waiting", "time_s", "chosen"),
    [
        ([], 0, []),
        ([3], 0, []),
        ([3, 1], 0, [3, 1]),
        ([3, 1, 0], 0, [3, 1, 0]),
        ([3, 1, 0, 2], 0, [3, 1, 0]),
        ([3], DEADLINE_S - 1, []),
        ([3], DEADLINE_S, [3]),
        ([], DEADLINE_S, []),
    ],
)
def test_updates_close_a_round_when_enough_are_here_or_the_deadline_is(
    waiting: list[int], time_s: int, chosen: list[int]
) -> None:
    chain = chain_of(4, k=2, k_max=3, round_s=DEADLINE_S)
    pool = filled(chain, *waiting)
    assert chosen_accounts(pool, chain, time_s) == chosen
    check_executes(pool, chain, time_s)


def unselected_and_selected(chain: ChainMaker) -> tuple[int, int]:
    pool = Pool(chain.rules)
    selected = []
    for account in range(len(chain.state.accounts)):
        head = make_update(chain, account).head
        if pool._is_selected(head, chain.state):
            selected.append(account)
    others = set(range(len(chain.state.accounts))) - set(selected)
    return min(others), min(selected)


def test_devices_that_were_not_selected_count_after_the_deadline_behind_the_others() -> None:
    chain = chain_of(6, k=1, k_max=2, round_s=DEADLINE_S, selection=Selection.EXACT, selected=2)
    chain.close_round([0])
    other, selected = unselected_and_selected(chain)
    opened_s = chain.state.learning.opened_at_s
    assert chosen_accounts(filled(chain, other), chain, opened_s) == []
    assert chosen_accounts(filled(chain, other), chain, opened_s + DEADLINE_S) == [other]
    pool = filled(chain, other, selected)
    assert chosen_accounts(pool, chain, opened_s) == [selected]
    assert chosen_accounts(pool, chain, opened_s + DEADLINE_S) == [selected, other]


def test_with_fewer_selected_than_k_a_round_keeps_to_its_deadline() -> None:
    chain = chain_of(
        6, k=3, k_max=3, min_updates=1, round_s=DEADLINE_S, selection=Selection.EXACT, selected=1
    )
    for round_number in (1, 2):
        assert chain.state.learning.round == round_number, "newcomers only in 1: all of them are selected"
        opened_s = chain.state.learning.opened_at_s
        pool = filled(chain, 0, 1, 2, 3, 4, 5)
        assert chosen_accounts(pool, chain, opened_s + DEADLINE_S - 1) == []
        assert len(chosen_accounts(pool, chain, opened_s + DEADLINE_S)) == 3
        chain.close_round([0, 1, 2], opened_s + DEADLINE_S)


def test_an_account_has_one_update_in_a_block_and_the_first_to_come_is_it() -> None:
    chain = chain_of(4)
    late = make_update(chain, 0).head
    chain.close_round([1, 2])
    pool = filled(chain, 0, 3)
    pool.add_update(late)
    chosen = pool.choose_updates(chain.state, 0)
    assert [(one.account, one.round) for one in chosen] == [(0, 2), (3, 2)]
    check_executes(pool, chain, chain.time_s)


def test_what_is_in_a_parent_already_is_not_chosen_again() -> None:
    chain = chain_of(4)
    pool = filled(chain, 0, 1)
    record = register(NEWCOMERS[0], chain.chain_id)
    pool.add_record(record, tip_of(chain), 0)
    before = tip_of(chain)
    chain.add([*pool.choose(before, chain.time_s + 10)])
    assert pool.choose(tip_of(chain), chain.time_s) == []
    assert len(pool.choose(before, chain.time_s)) == 3


# --- places ----------------------------------------------------------------------------------------------


def test_a_second_update_for_a_round_has_no_place() -> None:
    chain = chain_of(2)
    pool = filled(chain, 0)
    pool.check_place(make_update(chain, 0).head)
    with pytest.raises(ProtocolError) as caught:
        pool.check_place(make_update(chain, 0, body=make_body(seed=9)).head)
    assert caught.value.reason == Reason.DUPLICATE


def test_a_full_pool_takes_no_more() -> None:
    chain = chain_of(2)
    pool, head = Pool(chain.rules), make_update(chain, 0).head
    for number in range(UPDATES_MAX):
        root = digest(Tag.UPDATE, number.to_bytes(4, "big"))
        pool.add_update(replace(head, round=number, update_root=root))
    with pytest.raises(ProtocolError) as caught:
        pool.check_place(make_update(chain, 1).head)
    assert caught.value.reason == Reason.RATE


def test_settling_frees_the_place_of_what_it_drops_and_says_why() -> None:
    chain = chain_of(4)
    pool = filled(chain, 0, 1, 2)
    included = make_update(chain, 0).head
    chain.close_round([0, 1])
    dropped = pool.settle(tip_of(chain))
    assert [(head.account, reason) for head, reason in dropped] == [(0, Reason.REPLAY), (1, Reason.REPLAY)]
    assert included.update_root not in pool
    assert chosen_accounts(pool, chain, chain.time_s + DEADLINE_S) == [2]


def test_settling_drops_what_is_too_old() -> None:
    chain = chain_of(4, staleness_max=1)
    pool = filled(chain, 0)
    chain.close_round([1, 2])
    assert pool.settle(tip_of(chain)) == []
    chain.close_round([1, 2])
    assert [reason for _, reason in pool.settle(tip_of(chain))] == [Reason.STALE]


def test_an_update_under_whose_rules_it_does_not_count_waits_for_others() -> None:
    """Its device has a receipt and stopped sending; the rules of the next round may take it again."""
    chain = chain_of(4, partial_min_pct=1)
    pool = Pool(chain.rules)
    pool.add_update(make_update(chain, 0, steps=1).head)
    for percent, sequence in ((100, 1), (1, 2)):
        rules = replace(chain.genesis.params, partial_min_pct=percent, sequence=sequence)
        chain.add([params_change(chain.chain_id, rules)])
        chain.close_round([1, 2])
        assert pool.settle(tip_of(chain)) == []
        fits = chosen_accounts(pool, chain, chain.time_s + DEADLINE_S) == [0]
        assert fits == (percent == 1)


# --- records ---------------------------------------------------------------------------------------------


@pytest.fixture
def empty() -> tuple[ChainMaker, Pool]:
    chain = chain_of(0, registrations_max=3)
    return chain, Pool(chain.rules)


def test_a_key_waits_once_however_it_signs(empty: tuple[ChainMaker, Pool]) -> None:
    """Ed25519 lets the holder of a key sign one message in many ways, and each made another record."""
    chain, pool = empty
    record = register(NEWCOMERS[0], chain.chain_id)
    assert pool.add_record(record, tip_of(chain), 0)
    assert not pool.add_record(record, tip_of(chain), 0)
    assert not pool.add_record(replace(record, signature=bytes(64)), tip_of(chain), 0)


def test_only_so_many_register_in_a_block(empty: tuple[ChainMaker, Pool]) -> None:
    chain, pool = empty
    for signer in NEWCOMERS[:5]:
        pool.add_record(register(signer, chain.chain_id), tip_of(chain), 0)
    assert len(check_executes(pool, chain, 0)) == 3


def test_the_account_table_has_an_end(
    empty: tuple[ChainMaker, Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, pool = empty
    for signer in NEWCOMERS[:2]:
        pool.add_record(register(signer, chain.chain_id), tip_of(chain), 0)
    monkeypatch.setattr(record_pool, "ACCOUNTS_MAX", 1)
    assert len(pool.choose(tip_of(chain), 0)) == 1
    chain.add(pool.choose(tip_of(chain), 0))
    pool.settle(tip_of(chain))
    assert not pool.is_due(chain.state, 0, 1_000_000)
    with pytest.raises(ProtocolError) as caught:
        pool.add_record(register(NEWCOMERS[2], chain.chain_id), tip_of(chain), 0)
    assert caught.value.reason == Reason.NOT_ADMITTED


def test_a_voucher_is_used_once_in_a_block_and_never_again() -> None:
    chain = chain_of(0, admission=Admission.TOKEN)
    pool = Pool(chain.rules)
    voucher = make_voucher(chain.chain_id, 7)
    for signer in NEWCOMERS[:2]:
        pool.add_record(register(signer, chain.chain_id, voucher), tip_of(chain), 0)
    records = check_executes(pool, chain, 0)
    assert len(records) == 1
    chain.add(records)
    pool.settle(tip_of(chain))
    assert pool.choose(tip_of(chain), 0) == []
    assert pool.next_due_ms(chain.state, 0, 0) is None


def test_one_change_of_params_goes_into_a_block(empty: tuple[ChainMaker, Pool]) -> None:
    chain, pool = empty
    for k_max in (9, 10):
        rules = replace(chain.genesis.params, k_max=k_max, sequence=1)
        assert pool.add_record(params_change(chain.chain_id, rules), tip_of(chain), 0)
    records = check_executes(pool, chain, 0)
    assert [one.params.k_max for one in records if isinstance(one, ParamsChange)] == [9]


def test_other_signatures_under_the_same_rules_are_no_other_change(empty: tuple[ChainMaker, Pool]) -> None:
    chain, pool = empty
    rules = replace(chain.genesis.params, k_max=9, sequence=1)
    assert pool.add_record(params_change(chain.chain_id, rules, (0, 1)), tip_of(chain), 0)
    assert not pool.add_record(params_change(chain.chain_id, rules, (0, 1, 2)), tip_of(chain), 0)


@pytest.mark.parametrize(
    ("changes", "owners", "reason"),
    [
        ({"sequence": 0}, (0, 1), Reason.REPLAY),
        ({"sequence": 2}, (0, 1), Reason.REPLAY),
        ({"sequence": 1}, (0,), Reason.TOO_FEW_SIGNATURES),
        ({"sequence": 1}, (0, 3), Reason.BAD_SIGNATURE),
        ({"sequence": 1, "batch": 8}, (0, 1), Reason.OUT_OF_RANGE),
    ],
)
def test_a_change_of_params_that_may_not_come_next_is_refused(
    empty: tuple[ChainMaker, Pool], changes: dict[str, Any], owners: tuple[int, ...], reason: Reason
) -> None:
    chain, pool = empty
    change = params_change(chain.chain_id, replace(chain.genesis.params, **changes), owners)
    with pytest.raises(ProtocolError) as caught:
        pool.add_record(change, tip_of(chain), 0)
    assert caught.value.reason == reason
    assert pool.choose(tip_of(chain), 0) == []


def test_the_record_pool_is_bounded(empty: tuple[ChainMaker, Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    chain, pool = empty
    monkeypatch.setattr(record_pool, "RECORDS_MAX", 2)
    assert RECORDS_MAX > 2
    for signer in NEWCOMERS[:2]:
        pool.add_record(register(signer, chain.chain_id), tip_of(chain), 0)
    with pytest.raises(ProtocolError) as caught:
        pool.add_record(register(NEWCOMERS[2], chain.chain_id), tip_of(chain), 0)
    assert caught.value.reason == Reason.RATE


# --- due -------------------------------------------------------------------------------------------------


def test_a_record_makes_a_block_due_after_its_wait(empty: tuple[ChainMaker, Pool]) -> None:
    chain, pool = empty
    pool.add_record(register(NEWCOMERS[0], chain.chain_id), tip_of(chain), 1_000)
    assert pool.next_due_ms(chain.state, 0, 1_000) == 6_000
    assert not pool.is_due(chain.state, 0, 5_999)
    assert pool.is_due(chain.state, 0, 6_000)
    assert pool.next_due_ms(chain.state, 0, 6_000) is None


def test_an_update_makes_the_deadline_worth_waiting_for() -> None:
    chain = chain_of(3, round_s=DEADLINE_S)
    assert Pool(chain.rules).next_due_ms(chain.state, 1_000, 0) is None
    pool = filled(chain, 0)
    assert pool.next_due_ms(chain.state, 1_000, 0) == (1_000 + DEADLINE_S) * 1000
    assert not pool.is_due(chain.state, DEADLINE_S - 1, 0)
    assert pool.is_due(chain.state, DEADLINE_S, 0)


def test_enough_updates_are_due_at_once_and_too_few_never() -> None:
    chain = chain_of(3, min_updates=2)
    assert not filled(chain, 0).is_due(chain.state, 10 * DEADLINE_S, 10**9)
    assert filled(chain, 0, 1).is_due(chain.state, 0, 0)


def test_list_admission_is_checked_when_a_registration_comes() -> None:
    chain = ChainMaker(make_genesis(admission=Admission.LIST, params=make_params()))
    pool = Pool(chain.rules)
    assert pool.add_record(register(make_signers(1, "device")[0], chain.chain_id), tip_of(chain), 0)
    with pytest.raises(ProtocolError) as caught:
        pool.add_record(register(NEWCOMERS[0], chain.chain_id), tip_of(chain), 0)
    assert caught.value.reason == Reason.NOT_ADMITTED
    assert all(isinstance(one, Register) for one in pool.choose(tip_of(chain), 0))


# --- wishes and evidence ---------------------------------------------------------------------------------


def test_wishes_wait_like_registrations_and_one_of_an_account_at_a_time() -> None:
    chain = voting_chain()
    pool = Pool(chain.rules)
    assert pool.add_record(opt_in(chain, 1), tip_of(chain), 0)
    assert not pool.add_record(opt_in(chain, 1, bond=200), tip_of(chain), 0)
    assert not pool.is_due(chain.state, 0, 4_999)
    assert pool.is_due(chain.state, 0, 5_000)
    chain.add(pool.choose(tip_of(chain), 0))
    pool.settle(tip_of(chain))
    assert pool.choose(tip_of(chain), 0) == []
    assert pool.add_record(opt_out(chain, 1), tip_of(chain), 0)
    chain.add(pool.choose(tip_of(chain), 0))
    row = chain.state.seats.candidate_of(1)
    assert row is not None
    assert row.is_leaving


def test_a_wish_that_expired_is_dropped() -> None:
    chain = voting_chain()
    pool = Pool(chain.rules)
    pool.add_record(opt_in(chain, 1), tip_of(chain), 0)
    for _ in range(WISH_BLOCKS_MAX):
        chain.add()
    assert pool.choose(tip_of(chain), 0) == []
    pool.settle(tip_of(chain))
    assert not pool.is_due(chain.state, 0, 10**9)


def test_of_two_accounts_that_want_one_key_the_first_gets_it() -> None:
    chain = voting_chain()
    pool = Pool(chain.rules)
    wishes = [opt_in(chain, account, seat_key(9)) for account in (2, 1)]
    for wish in wishes:
        pool.add_record(wish, tip_of(chain), 0)
    assert pool.choose(tip_of(chain), 0) == wishes[:1]


def test_evidence_is_due_at_once_and_has_a_place_in_a_full_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = voting_chain()
    pool = Pool(chain.rules)
    monkeypatch.setattr(record_pool, "RECORDS_MAX", 1)
    assert pool.add_record(register(NEWCOMERS[0], chain.chain_id), tip_of(chain), 0)
    pair = vote_pair(chain, chain.signers[0])
    assert pool.add_record(pair, tip_of(chain), 1_000)
    assert not pool.add_record(vote_pair(chain, chain.signers[0], slot=4), tip_of(chain), 1_000)
    assert pool.is_due(chain.state, 0, 1_000)
    assert pair in pool.choose(tip_of(chain), 0)


def test_places_of_a_block_are_kept() -> None:
    chain = voting_chain()
    pool = Pool(chain.rules)
    records: list[VotePair | OptIn] = [vote_pair(chain, one) for one in chain.signers]
    for one in (*records, opt_in(chain, 1), opt_in(chain, 2)):
        assert pool.add_record(one, tip_of(chain), 0)
    chosen = pool.choose(tip_of(chain), 0)
    assert len(chosen) == 6
    chain.add(chosen)
    assert chain.state.seats.convicted == 0b1111
