"""[REG], [PAR]: who may register and what changes the rules of training; each case breaks one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_client.protocol.accounts import Account
from edge_client.protocol.errors import Reason
from edge_client.protocol.genesis import Admission
from tests.builders import (
    chain_of,
    make_params,
    make_signers,
    make_update,
    make_voucher,
    params_change,
    refused,
    register,
)

DEVICES = make_signers(16, "device")


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
