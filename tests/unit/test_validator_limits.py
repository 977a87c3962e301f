"""What bounds one sender: allowances, remembered verdicts, places for uploads."""

from __future__ import annotations

import pytest

from broker.core import ingest as ingest_module
from broker.core import rate as rate_module
from broker.core.ingest import QUIET_MAX_MS, Ingest
from broker.core.rate import Allowance, Buckets
from broker.core.verified import VerifyOnce
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.keys import node_id
from tests.builders import ChainMaker, MadeUpdate, chain_of, make_body, make_update

# --- rate ------------------------------------------------------------------------------------------------


def allowed(buckets: Buckets, sender: str, now_ms: int, tokens: int = 1) -> bool:
    try:
        buckets.take(sender, now_ms, tokens)
    except ProtocolError as error:
        return error.reason != Reason.RATE
    return True


def test_a_burst_then_so_many_a_second() -> None:
    buckets = Buckets(Allowance(burst=3, per_s=2))
    assert [allowed(buckets, "a", 0) for _ in range(4)] == [True, True, True, False]
    assert [allowed(buckets, "a", 500) for _ in range(2)] == [True, False]
    assert [allowed(buckets, "a", 100_000) for _ in range(4)] == [True, True, True, False]


def test_being_refused_costs_nothing_and_tokens_may_be_taken_together() -> None:
    buckets = Buckets(Allowance(burst=4, per_s=1))
    assert not allowed(buckets, "a", 0, 5)
    assert allowed(buckets, "a", 0, 4)
    assert not allowed(buckets, "a", 0)


def test_a_clock_that_jumps_gives_at_most_a_burst() -> None:
    buckets = Buckets(Allowance(burst=2, per_s=1))
    assert [allowed(buckets, "a", now_ms) for now_ms in (10_000, 0, 0)] == [True, True, False]
    assert [allowed(buckets, "a", 10**15) for _ in range(3)] == [True, True, False]


def test_senders_are_bounded_and_the_one_idle_longest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_module, "SENDERS_MAX", 2)
    buckets = Buckets(Allowance(burst=1, per_s=1))
    for sender in ("a", "b"):
        assert allowed(buckets, sender, 0)
    assert not allowed(buckets, "a", 0)
    assert allowed(buckets, "c", 0)
    assert not allowed(buckets, "a", 0)
    assert allowed(buckets, "b", 0)


# --- signature checks ------------------------------------------------------------------------------------


class CountingVerify:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _public_key: bytes, _message: bytes, signature: bytes) -> bool:
        self.calls += 1
        return signature == b"good"


def test_a_check_is_made_once_whatever_came_of_it() -> None:
    inner = CountingVerify()
    once = VerifyOnce(inner)
    assert [once(b"k", b"m", b"good") for _ in range(2)] == [True, True]
    assert [once(b"k", b"m", b"bad") for _ in range(2)] == [False, False]
    assert inner.calls == 2
    once(b"k", b"other", b"good")
    assert inner.calls == 3


def test_remembered_checks_are_bounded() -> None:
    inner = CountingVerify()
    once = VerifyOnce(inner, remembered_max=2)
    for message in (b"1", b"2", b"3", b"1"):
        once(b"k", message, b"good")
    assert inner.calls == 4


# --- uploads ---------------------------------------------------------------------------------------------


def open_upload(
    ingest: Ingest, chain: ChainMaker, account: int, seed: int = 0, now_ms: int = 0
) -> MadeUpdate:
    made = make_update(chain, account, body=make_body(seed=seed))
    ingest.offer(node_id(chain.signer_of(account).public_key), made.offer, chain.state, now_ms)
    return made


def test_who_finds_no_place_displaces_who_is_silent_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "UPLOADS_MAX", 3)
    chain = chain_of(4)
    ingest = Ingest(chain.rules)
    first, silent = open_upload(ingest, chain, 0), open_upload(ingest, chain, 1)
    ingest.overdue(5_000)
    again = open_upload(ingest, chain, 0, seed=5, now_ms=5_000)
    ingest.uploads[first.head.update_root].quiet_ms = 1_000
    newcomer = open_upload(ingest, chain, 2, now_ms=6_000)
    kept = {one.head.update_root for one in (first, again, newcomer)}
    assert set(ingest.uploads) == kept
    assert silent.head.update_root not in kept


def test_open_uploads_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_module, "UPLOADS_BYTES_MAX", 20)
    chain = chain_of(6)
    ingest = Ingest(chain.rules)
    for account in range(6):
        open_upload(ingest, chain, account)
    assert len(ingest.uploads) == 20 // chain.genesis.manifest.parameter_count == 2


def test_uploads_that_can_not_count_any_more_are_dropped() -> None:
    chain = chain_of(3, staleness_max=0)
    ingest = Ingest(chain.rules)
    open_upload(ingest, chain, 2)
    chain.close_round([0, 1])
    ingest.settle(chain.state)
    assert not ingest.uploads
    assert ingest.deadline() is None


def test_reminders_of_a_device_that_is_gone_come_once_a_minute() -> None:
    chain = chain_of(1)
    ingest = Ingest(chain.rules)
    open_upload(ingest, chain, 0)
    times = []
    for _ in range(12):
        due_ms = ingest.deadline()
        assert due_ms is not None
        assert len(ingest.overdue(due_ms)) == 1
        times.append(due_ms)
    assert times[:3] == [1_000, 3_000, 7_000]
    assert times[-1] - times[-2] == QUIET_MAX_MS
