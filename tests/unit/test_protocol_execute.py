"""[EXE], [RND], [UPD]: what a block may say and what it does; each case breaks one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_client.protocol.errors import Reason
from edge_client.protocol.execution.arithmetic import CREDIT_BITS
from edge_client.protocol.model import decode_model, model_root
from edge_client.protocol.params import Selection
from edge_client.protocol.records import Record
from edge_client.protocol.update import UpdateBody
from tests.builders import (
    ChainMaker,
    chain_of,
    make_signers,
    make_update,
    refused,
    register,
)
from tests.exact_aggregation import Contribution, aggregate

DEVICES = make_signers(16, "device")


# --- blocks without updates [EXE-3] ------------------------------------------------------------------------


def test_a_block_without_records_changes_nothing() -> None:
    chain = chain_of()
    before = chain.state
    chain.add()
    assert chain.state.app_leaves() == before.app_leaves()


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


def test_a_chain_that_asks_fewer_than_k_closes_no_round_before_its_deadline() -> None:
    chain = chain_of(4, selection=Selection.EXACT, selected=1, k=2, round_s=60)
    heads = [make_update(chain, account).head for account in (0, 1)]
    assert chain.state.learning.theta == 2**64 - 1, "newcomers are all selected"
    assert refused(chain, *heads, time_s=59) == Reason.INVALID_BLOCK
    chain.add(heads, time_s=60)
    assert chain.state.learning.round == 2


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
