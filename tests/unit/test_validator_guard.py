"""When a validator may sign: after it has listened, with its own log, and not where a lost log may have."""

from __future__ import annotations

import pytest

from broker.core.effects import EndRejoin, LogGap
from broker.core.guard import ASK_MS, LISTEN_MS, Guard, Phase, RestoredError, Standing, judge_start
from broker.core.ledger import Clock
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import Recall, decode_validator_say, encode_validator_say
from edge_client.protocol.votes import Snapshot, Vote, finalize, notarize, nullify, vote
from tests.builders import make_genesis, make_signers
from tests.lone_validator import LoneValidator
from tests.simulation.world import World

CLOCK = Clock(t0_s=1_000_000)
START_MS = 1_000_100_000
START_S = 100
LOG, OTHER = b"log", b"other"


def guard(standing: Standing | None = None, sign_above: int = 0) -> Guard:
    made = Guard(standing or Standing(), CLOCK, sign_above)
    made.link_up(START_MS)
    return made


def settle(
    one: Guard, after_ms: int = 0, height: int = 7, time_s: int = 50, slot: int = 9
) -> list[EndRejoin]:
    return one.settle(height, time_s, slot, START_MS + after_ms)


@pytest.mark.parametrize(
    ("marker", "log_id", "is_blank", "may_sign"),
    [
        (None, None, True, True),
        (None, LOG, True, True),
        (LOG, LOG, True, True),
        (LOG, LOG, False, True),
        (LOG, None, True, False),
        (LOG, None, False, False),
        (LOG, OTHER, True, False),
        (LOG, OTHER, False, False),
        (None, LOG, False, False),
        (None, None, False, False),
        (b"", LOG, False, False),
    ],
    ids=[
        "fresh key, fresh database",
        "died before the marker was written",
        "used, nothing signed yet",
        "used",
        "the database is gone",
        "the database has lost its id",
        "another database, blank",
        "another database",
        "the marker is gone",
        "marker and id are gone",
        "the marker is damaged",
    ],
)
def test_a_key_signs_only_with_its_own_log(
    marker: bytes | None, log_id: bytes | None, is_blank: bool, may_sign: bool
) -> None:
    if may_sign:
        judge_start(marker, log_id, is_blank=is_blank)
    else:
        with pytest.raises(RestoredError):
            judge_start(marker, log_id, is_blank=is_blank)


def test_it_listens_before_it_signs() -> None:
    one = guard()
    settle(one, LISTEN_MS - 1)
    assert one.asks(START_MS + LISTEN_MS - 1)
    assert (one.phase, one.may_sign(1), one.deadline()) == (Phase.LISTENING, False, START_MS + LISTEN_MS)
    settle(one, LISTEN_MS)
    assert (one.phase, one.may_sign(1), one.deadline()) == (Phase.SIGNING, True, None)


def test_it_asks_what_it_signed_until_the_wait_is_over() -> None:
    one, asked_ms = guard(), list[int]()
    while (now_ms := one.deadline()) is not None:
        settle(one, now_ms - START_MS)
        if one.asks(now_ms):
            asked_ms.append(now_ms - START_MS)
    assert asked_ms == list(range(0, LISTEN_MS, ASK_MS))
    assert len(asked_ms) == 4


def test_without_a_link_it_asks_nothing_and_with_the_next_one_at_once() -> None:
    one = guard()
    assert one.asks(START_MS)
    one.link_lost()
    assert not one.asks(START_MS + ASK_MS)
    one.link_up(START_MS + 1)
    assert one.asks(START_MS + 1)


def test_time_without_a_link_is_no_listening() -> None:
    one = guard()
    one.link_lost()
    settle(one, 10 * LISTEN_MS)
    assert (one.phase, one.deadline()) == (Phase.LISTENING, None)
    one.link_up(START_MS + 20 * LISTEN_MS)
    settle(one, 20 * LISTEN_MS)
    assert (one.phase, one.deadline() is None) == (Phase.LISTENING, False)
    settle(one, 21 * LISTEN_MS)
    assert one.phase is Phase.SIGNING


REJOIN = Standing(is_rejoining=True, listen_ms=0)
SAFE_S = START_S + 2 * CLOCK.drift_s + 1


def test_a_rejoin_ends_with_a_block_proposed_after_the_start() -> None:
    one = guard(REJOIN)
    assert settle(one) == []
    assert (one.phase, one.may_sign(10**6)) == (Phase.REJOINING, False)
    later_ms = 60_000
    assert settle(one, later_ms, height=8, time_s=SAFE_S - 1, slot=11) == []
    assert settle(one, later_ms, height=9, time_s=SAFE_S, slot=14) == [EndRejoin(15)]
    assert [one.may_sign(slot) for slot in (14, 15, 16)] == [False, False, True]


def test_a_block_from_the_future_shows_that_a_clock_is_wrong_and_ends_nothing() -> None:
    one = guard(REJOIN)
    settle(one)
    now_s = START_S + 60
    assert settle(one, 60_000, height=8, time_s=now_s + CLOCK.drift_s + 1) == []
    assert settle(one, 60_000, height=9, time_s=now_s + CLOCK.drift_s) != []


def test_the_head_it_starts_with_ends_nothing() -> None:
    """A clock that jumps ahead after the start would make every old head look new."""
    one = guard(REJOIN)
    settle(one, time_s=SAFE_S)
    assert settle(one, 60_000, time_s=SAFE_S) == []


def test_what_a_rejoin_ended_with_holds_after_a_restart() -> None:
    one = guard(sign_above=15)
    settle(one, LISTEN_MS)
    assert [one.may_sign(slot) for slot in (15, 16)] == [False, True]
    assert [one.is_gap(slot) for slot in (15, 16)] == [False, True]


def test_while_rejoining_forgotten_votes_are_expected() -> None:
    assert not guard(REJOIN).is_gap(10**6)


# --- in the validator ------------------------------------------------------------------------------------


def one_of_four() -> LoneValidator:
    return LoneValidator(make_genesis(4))


def own_vote(lone: LoneValidator, slot: int, kind: str = "Z") -> Vote:
    block = digest(Tag.BODY, b"some block")
    header = make_header(lone, slot)
    subject = {"Z": nullify(0, slot), "N": notarize(header, block), "F": finalize(header, block)}[kind]
    return vote(subject, 0, lone.signer.sign(subject.signing_bytes(lone.chain_id)))


def make_header(lone: LoneValidator, slot: int) -> Header:
    return Header(HEADER_VERSION, 0, 0, 4, 1, slot, 1, 0, bytes(32), bytes(32), bytes(32))


def gaps(effects: object) -> list[LogGap]:
    return [one for one in effects if isinstance(one, LogGap)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["N", "Z", "F"])
def test_an_own_vote_that_the_log_does_not_know_stops_it_before_anything_is_written(kind: str) -> None:
    lone = one_of_four()
    forgotten = own_vote(lone, 3, kind)
    payload = Snapshot((forgotten,), ()).encode()
    effects = lone.receive(lone.topics.snapshot(lone.name), payload)
    assert effects[0] == LogGap(forgotten)


def test_a_second_machine_with_the_same_key_is_noticed_by_what_it_says() -> None:
    lone = one_of_four()
    said = own_vote(lone, 1)
    assert gaps(lone.receive(lone.topics.validator_say(lone.name), encode_validator_say(said)))


def test_a_forged_own_vote_stops_nobody() -> None:
    lone = one_of_four()
    forged = own_vote(lone, 3)
    forged = vote(forged.subject, 0, bytes(64))
    assert not gaps(lone.receive(lone.topics.snapshot(lone.name), Snapshot((forged,), ()).encode()))


def test_the_own_retained_snapshot_stays_until_it_was_heard() -> None:
    world = World(make_genesis(4), make_signers(4))
    topic = one_of_four().topics.snapshot(node_id(make_signers(4)[0].public_key))
    node = world.add_validator(0)
    published: list[str] = []
    node.executors[Publish] = lambda one: published.append(one.topic)
    world.run(LISTEN_MS - 1)
    assert topic not in published
    world.run(1)
    assert topic in published


def test_a_validator_asks_again_while_it_listens() -> None:
    world = World(make_genesis(4), make_signers(4))
    node = world.add_validator(0)
    began_ms, asked_ms = world.now_ms, list[int]()

    def hear(message: Publish) -> None:
        is_said = message.topic.endswith("/say")
        if is_said and isinstance(decode_validator_say(message.payload), Recall):
            asked_ms.append(world.now_ms - began_ms)

    node.executors[Publish] = hear
    world.run(2 * LISTEN_MS)
    assert asked_ms == [0, 500, 1_000, 1_500]
