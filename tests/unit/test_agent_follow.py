"""When the device listens to another validator: all times in a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_client.core.follow import Follower
from edge_client.core.timing import Timing
from edge_client.core.trusted import TrustedHead, genesis_head
from edge_client.protocol.topics import Topics
from tests.builders import make_genesis

TIMING = Timing()
ROUND_S = 60
T0_S = 1_000_000
START_MS = T0_S * 1000
"""The clock when the chain began; round 1 is over 60 s later."""


def head(height: int, opened_at_s: int = 0) -> TrustedHead:
    genesis = genesis_head(make_genesis())
    return replace(genesis, height=height, learning=replace(genesis.learning, opened_at_s=opened_at_s))


@pytest.fixture
def follower() -> Follower:
    """Follows "a" since `START_MS`."""
    made = Follower(Topics("0123456789abcdef"), ("a", "b", "c"), TIMING)
    made.advance(START_MS)
    return made


def test_goes_round_one_by_one(follower: Follower) -> None:
    seen = []
    for _ in range(7):
        seen.append(follower.followed)
        follower.advance(follower.due_ms)
    assert seen == ["a", "b", "c", "a", "b", "c", "a"]


def test_the_first_head_is_awaited_ten_seconds(follower: Follower) -> None:
    assert follower.due_ms == START_MS + 10_000
    assert follower.advance(START_MS + 9_999) == []
    assert follower.advance(START_MS + 10_000) != []


@pytest.mark.parametrize(
    ("now_s", "opened_at_s", "due_s"),
    [
        (0, 0, 70),  # the whole round and the margin
        (20, 0, 70),
        (59, 0, 70),
        (500, 0, 510),  # long over: only the margin
        (500, 480, 550),
        (-5000, 0, -4930),  # our clock is behind: never more than a round
    ],
)
def test_the_next_head_is_due_after_the_deadline(
    follower: Follower, now_s: int, opened_at_s: int, due_s: int
) -> None:
    follower.heard(head(1, opened_at_s), ROUND_S, T0_S, START_MS + now_s * 1000)
    assert follower.due_ms == START_MS + due_s * 1000


def test_a_repeated_head_does_not_prolong(follower: Follower) -> None:
    follower.heard(head(5), ROUND_S, T0_S, START_MS)
    follower.heard(head(5), ROUND_S, T0_S, START_MS + 69_000)
    assert follower.due_ms == START_MS + 70_000
    follower.heard(head(6, 60), ROUND_S, T0_S, START_MS + 69_000)
    assert follower.due_ms == START_MS + 130_000


def test_the_same_head_from_the_next_validator_is_heard_with_more_patience(follower: Follower) -> None:
    follower.heard(head(5), ROUND_S, T0_S, START_MS)
    switched_ms = follower.due_ms
    follower.advance(switched_ms)
    assert follower.due_ms == switched_ms + 10_000
    follower.heard(head(5), ROUND_S, T0_S, switched_ms)
    assert follower.due_ms == switched_ms + 20_000
    follower.heard(head(6, 200), ROUND_S, T0_S, START_MS + 200_000)
    assert follower.due_ms == START_MS + 270_000


def test_patience_has_an_end(follower: Follower) -> None:
    for _ in range(20):
        follower.advance(follower.due_ms)
    before_ms = follower.due_ms
    follower.advance(before_ms)
    assert follower.due_ms - before_ms == TIMING.head_ms_max


def test_a_suspect_is_left_soon_but_not_at_once(follower: Follower) -> None:
    follower.heard(head(5), ROUND_S, T0_S, START_MS)
    follower.suspect(START_MS + 30_000)
    assert follower.due_ms == START_MS + 32_000
    follower.suspect(START_MS + 31_000)
    assert follower.due_ms == START_MS + 32_000


def test_a_new_link_gives_the_followed_one_another_chance(follower: Follower) -> None:
    follower.link_up(START_MS + 1_000_000)
    assert follower.due_ms == START_MS + 1_010_000
    assert follower.followed == "a"


def test_a_link_before_the_first_choice_changes_nothing() -> None:
    made = Follower(Topics("0123456789abcdef"), ("a",), TIMING)
    made.link_up(START_MS)
    assert made.due_ms == 0
