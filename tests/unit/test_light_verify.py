"""Each predicate alone: a valid light block passes all, a test breaks one thing and one predicate says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_client.core import verify
from edge_client.core.trusted import Tip, genesis_tip
from edge_client.core.verify import Case, Conflict, Invalid, LightRules, NotEnoughTrust, Success
from edge_client.protocol import keys
from edge_client.protocol.errors import Reason
from edge_client.protocol.handoff import TrustedSet
from edge_client.protocol.light import LightBlock
from edge_client.protocol.messages import GetHeaders
from edge_client.protocol.votes import Finality, Quorum, finalize
from tests.builders import T0_S, ChainMaker, make_genesis, make_signers
from tests.light_forge import finality, under

NOW_MS = (T0_S + 3600) * 1000


@pytest.fixture(scope="module")
def chain() -> ChainMaker:
    made = ChainMaker(devices=2)
    for _ in range(4):
        made.close_round()
    return made


def rules(chain: ChainMaker) -> LightRules:
    return LightRules(chain.chain_id, chain.genesis.t0_s, keys.verify)


def tip(chain: ChainMaker, height: int) -> Tip:
    if not height:
        return genesis_tip(chain.chain_id)
    header = chain.headers[height - 1]
    return Tip(height, header.hash(chain.chain_id), header.time_s, chain.peaks(height))


def case(chain: ChainMaker, height: int, trusted: int, now_ms: int = NOW_MS) -> Case:
    return Case(
        rules(chain), tip(chain, trusted), TrustedSet(0, chain.validators), chain.light_block(height), now_ms
    )


def signed(chain: ChainMaker, block: LightBlock) -> LightBlock:
    """The block with a quorum of real signatures on whatever header it has now."""
    return replace(block, finality=finality(chain, block.header))


def with_header(given: Case, chain: ChainMaker, **changes: int | bytes) -> Case:
    block = replace(given.block, header=replace(given.header, **changes))  # type: ignore[arg-type]
    return replace(given, block=signed(chain, block))


def _said_of(given: Case, signers: int) -> Finality:
    """The block's own signatures, under the names of others."""
    shown = given.block.finality
    return replace(shown, quorum=replace(shown.quorum, signers=signers))


def reasons(given: Case) -> dict[str, Reason]:
    """What every predicate says on its own."""
    faults = {predicate.__name__: predicate(given) for predicate in verify.PREDICATES}
    return {name: fault.reason for name, fault in faults.items() if fault is not None}


@pytest.mark.parametrize(("height", "trusted"), [(1, 0), (2, 1), (5, 4)])
def test_the_next_block_is_believed(chain: ChainMaker, height: int, trusted: int) -> None:
    given = case(chain, height, trusted)
    assert reasons(given) == {}
    assert verify.verify(given) == Success()


def test_a_block_further_on_asks_for_the_headers_between(chain: ChainMaker) -> None:
    assert verify.verify(case(chain, 5, 1)) == NotEnoughTrust(GetHeaders(2, 5))


Break = Callable[[Case, ChainMaker], Case]

BREAKS: dict[str, tuple[Break, dict[str, Reason]]] = {
    "below the tip": (
        lambda given, chain: replace(given, tip=tip(chain, 4)),
        {"not_below_tip": Reason.BELOW_STORED_HEIGHT},
    ),
    "another epoch": (
        lambda given, chain: with_header(given, chain, epoch=1),
        {"epoch_and_size_fit": Reason.MALFORMED},
    ),
    "another number of validators": (
        lambda given, chain: with_header(given, chain, validators=7),
        {"epoch_and_size_fit": Reason.MALFORMED},
    ),
    "time goes back": (
        lambda given, chain: with_header(given, chain, time_s=given.tip.time_s - 1),
        {"time_not_before_tip": Reason.TIME},
    ),
    "time in the future": (
        lambda given, chain: with_header(given, chain, time_s=3600 + 121),
        {"time_not_in_future": Reason.TIME},
    ),
    "another model": (
        lambda given, _: replace(
            given, block=replace(given.block, app=replace(given.block.app, model_root=bytes(32)))
        ),
        {"app_leaves_fit": Reason.WRONG_HASH},
    ),
    "other accounts": (
        lambda given, _: replace(
            given, block=replace(given.block, state=replace(given.block.state, accounts_root=bytes(32)))
        ),
        {"state_leaves_fit": Reason.WRONG_HASH},
    ),
    "another threshold": (
        lambda given, _: replace(
            given, block=replace(given.block, learning=replace(given.block.learning, theta=0))
        ),
        {"learning_fits": Reason.WRONG_HASH},
    ),
    "one signature too few": (
        lambda given, chain: replace(given, block=chain.light_block(given.header.height, signers=(0, 1))),
        {"signed_by_quorum": Reason.TOO_FEW_SIGNATURES},
    ),
    "a signature by somebody else": (
        lambda given, _: replace(
            given,
            block=replace(given.block, finality=_said_of(given, given.block.finality.quorum.signers << 1)),
        ),
        {"signed_by_quorum": Reason.BAD_SIGNATURE},
    ),
    "a signer outside the set": (
        lambda given, _: replace(given, block=replace(given.block, finality=_said_of(given, 0b10011))),
        {"signed_by_quorum": Reason.WRONG_SENDER},
    ),
    "another header under the signatures": (
        lambda given, _: replace(
            given, block=replace(given.block, header=replace(given.header, body_root=bytes(32)))
        ),
        {"signed_by_quorum": Reason.BAD_SIGNATURE},
    ),
    "another chain": (
        lambda given, _: replace(given, rules=replace(given.rules, chain_id=bytes(32))),
        {"signed_by_quorum": Reason.BAD_SIGNATURE},
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_one_broken_thing_is_found_by_one_predicate(chain: ChainMaker, name: str) -> None:
    breaking, expected = BREAKS[name]
    given = breaking(case(chain, 3, 2), chain)
    assert reasons(given) == expected
    verdict = verify.verify(given)
    assert isinstance(verdict, Invalid)
    assert verdict.reason in expected.values()


@pytest.mark.parametrize(
    ("leaf", "found"),
    [("validators_root", {"validators_fit": Reason.WRONG_HASH}), ("next_validators_root", {})],
)
def test_only_the_next_validator_set_may_be_another(
    chain: ChainMaker, leaf: str, found: dict[str, Reason]
) -> None:
    given = case(chain, 3, 2)
    app = replace(given.block.app, **{leaf: bytes(32)})
    broken = with_header(replace(given, block=replace(given.block, app=app)), chain, app_root=app.root())
    assert reasons(broken) == found


def test_exactly_two_thirds_are_too_few() -> None:
    chain = ChainMaker(make_genesis(validators=6), devices=2)
    four = chain.light_block(1, signers=range(4))
    verdict = verify.verify(Case(rules(chain), tip(chain, 0), TrustedSet(0, chain.validators), four, NOW_MS))
    assert verdict == Invalid(Reason.TOO_FEW_SIGNATURES, "4 signatures, 5 needed")
    five = chain.light_block(1, signers=range(5))
    assert (
        verify.verify(Case(rules(chain), tip(chain, 0), TrustedSet(0, chain.validators), five, NOW_MS))
        == Success()
    )


def test_signatures_of_other_keys_do_not_count(chain: ChainMaker) -> None:
    given = case(chain, 3, 2)
    message = finalize(given.header, given.header.hash(chain.chain_id)).signing_bytes(chain.chain_id)
    strangers = make_signers(4, "stranger")
    quorum = Quorum.of({i: strangers[i].sign(message) for i in range(4)})
    broken = replace(given, block=under(given.block, quorum))
    assert reasons(broken) == {"signed_by_quorum": Reason.BAD_SIGNATURE}


@pytest.mark.parametrize(("ahead_s", "fine"), [(0, True), (120, True), (121, False), (3600, False)])
def test_a_good_clock_refuses_the_future(chain: ChainMaker, ahead_s: int, fine: bool) -> None:
    given = case(chain, 3, 2)
    now_ms = (T0_S + given.header.time_s - ahead_s) * 1000
    clock_says = verify.time_not_in_future(replace(given, now_ms=now_ms))
    behind_the_tip = now_ms + verify.CLOCK_DRIFT_MS < (T0_S + given.tip.time_s) * 1000
    assert (clock_says is None) == (fine or behind_the_tip)


def test_a_clock_behind_the_chain_says_nothing(chain: ChainMaker) -> None:
    given = case(chain, 3, 2, now_ms=0)
    assert not verify.clock_is_good(given.rules, given.tip, 0)
    assert verify.verify(given) == Success()


@pytest.mark.parametrize(("behind_ms", "good"), [(0, True), (120_000, True), (120_001, False)])
def test_when_a_clock_is_good(chain: ChainMaker, behind_ms: int, good: bool) -> None:
    given = case(chain, 3, 2)
    chain_ms = (T0_S + given.tip.time_s) * 1000
    assert verify.clock_is_good(given.rules, given.tip, chain_ms - behind_ms) == good


def test_an_earlier_twin_of_the_tip_is_a_conflict_and_not_just_late(chain: ChainMaker) -> None:
    given = case(chain, 3, 3)
    assert isinstance(verify.verify(with_header(given, chain, time_s=given.tip.time_s - 1)), Conflict)


def test_two_final_headers_of_one_height_conflict(chain: ChainMaker) -> None:
    given = with_header(case(chain, 3, 3), chain, body_root=bytes(32))
    assert isinstance(verify.verify(given), Conflict)


def test_a_final_header_on_another_history_conflicts(chain: ChainMaker) -> None:
    given = with_header(case(chain, 3, 2), chain, history_root=bytes(32))
    assert isinstance(verify.verify(given), Conflict)
