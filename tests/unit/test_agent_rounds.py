"""Small decisions of the agent: whether to train, what is too old, which proofs can be checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.anchors import BODY_ROOTS_MAX, HEADS_MAX, Anchors
from edge_client.core.draws import Draw, Draws
from edge_client.core.events import TrainingFinished
from edge_client.core.identity import Identity
from edge_client.core.membership import Membership
from edge_client.core.rounds import Rounds
from edge_client.core.trusted import TrustedHead, genesis_head
from edge_client.protocol.accounts import Account
from tests.builders import ChainMaker, make_genesis, make_params, make_signers

(SIGNER,) = make_signers(1, "device")
IDENTITY = Identity(SIGNER, bytes(32))
PARAMS = make_params(staleness_max=3)


def head(round_number: int = 1, theta: int = 2**64 - 1) -> TrustedHead:
    genesis = genesis_head(make_genesis())
    return replace(genesis, learning=replace(genesis.learning, round=round_number, theta=theta))


def rounds(last_round: int = 0) -> Rounds:
    return Rounds(IDENTITY, Draws(bytes(32)), last_round)


def account(**changes: int) -> Account:
    return replace(Account(SIGNER.public_key), **changes)  # type: ignore[arg-type]


def result(round_number: int) -> TrainingFinished:
    return TrainingFinished(round_number, b"r" * 32, 10, (bytes(32),), b"e" * 32, (), 40, 10, 2, 1)


@pytest.mark.parametrize(
    ("last_round", "given", "theta", "why"),
    [
        (4, account(), 2**64 - 1, None),
        (5, account(), 2**64 - 1, "done"),
        (0, account(last_round=5), 2**64 - 1, "done"),
        (0, account(last_round=4), 2**64 - 1, None),
        (0, account(jailed_until=5), 2**64 - 1, None),
        (0, account(jailed_until=6), 2**64 - 1, "jailed"),
        (0, account(), 0, "unselected"),
    ],
)
def test_why_not_to_train_in_round_five(last_round: int, given: Account, theta: int, why: str | None) -> None:
    assert rounds(last_round).why_not(head(5, theta), given) == why


def test_one_round_at_a_time() -> None:
    made = rounds()
    made.start(head(5), PARAMS)
    assert made.why_not(head(6), account()) == "training"


@pytest.mark.parametrize(("now", "hopeless"), [(5, False), (8, False), (9, True), (30, True)])
def test_work_is_hopeless_when_it_is_too_old_to_count(now: int, hopeless: bool) -> None:
    made = rounds()
    assert not made.hopeless(head(now), 3)
    made.start(head(5), PARAMS)
    assert made.hopeless(head(now), 3) == hopeless


@pytest.mark.parametrize(("round_number", "oldest"), [(1, 0), (3, 0), (4, 1), (10, 7)])
def test_how_old_a_part_of_the_residual_may_be(round_number: int, oldest: int) -> None:
    assert rounds().start(head(round_number), PARAMS).residual_round_min == oldest


def test_only_the_running_order_can_finish() -> None:
    chain = ChainMaker(devices=1)
    made, proof = rounds(), chain.state.accounts.prove(0)
    assert made.finish(result(5), proof) is None
    made.start(head(5), PARAMS)
    assert made.finish(result(4), proof) is None
    assert made.running is not None
    update = made.finish(result(5), proof)
    assert update is not None
    assert (update.head.round, update.head.account, update.head.size) == (5, 0, 10)
    assert made.finish(result(5), proof) is None
    assert made.why_not(head(5), account()) == "done"


def test_draws_repeat_with_the_seed_and_differ_without() -> None:
    first, again, other = (Draws(seed) for seed in (bytes(32), bytes(32), b"x" * 32))
    nonces = [first.nonce() for _ in range(3)]
    assert [again.nonce() for _ in range(3)] == nonces
    assert len({*nonces, other.nonce()}) == 4
    assert first.bytes_for(Draw.FOLLOW, b"a") != first.bytes_for(Draw.TRAINING, b"a")


class TestAnchors:
    def anchors(self, chain: ChainMaker) -> Anchors:
        return Anchors(genesis_head(chain.genesis), {})

    def test_the_earliest_body_roots_are_kept_within_the_bound(self) -> None:
        chain = ChainMaker(devices=1)
        made = self.anchors(chain)
        header = chain.headers[0]
        made.add_headers(replace(header, height=height) for height in range(1, BODY_ROOTS_MAX + 50))
        assert made.covers(BODY_ROOTS_MAX)
        assert not made.covers(BODY_ROOTS_MAX + 1)
        made.forget_to(10)
        assert not made.covers(10)
        assert made.covers(11)
        made.add_headers([replace(header, height=5000)])
        assert made.covers(5000)

    def test_the_latest_heads_are_kept(self) -> None:
        made = self.anchors(ChainMaker())
        for height in range(1, 20):
            made.add_head(replace(head(), height=height))
        known = [height for height in range(20) if made.head(height) is not None]
        assert known == list(range(20 - HEADS_MAX, 20))


def test_an_older_or_repeated_proof_is_no_news() -> None:
    chain = ChainMaker(devices=2)
    made = Membership(IDENTITY, Draws(bytes(32)), 4, None)
    first = chain.state.accounts.prove(0)
    assert made.proven(first, 1)
    assert not made.proven(first, 2)
    chain.close_round()
    newer = chain.state.accounts.prove(0)
    assert made.proven(newer, 5)
    assert not made.proven(first, 4)
    assert made.proof == newer
