"""When a head may be called the latest [FRS-2]."""

from __future__ import annotations

from dataclasses import replace

from edge_client.core.freshness import FRESH_MS, Freshness, Heard, Standing
from edge_client.core.trusted import TrustedHead, genesis_head
from edge_client.protocol.wake import Fresh
from tests.builders import make_genesis

NONCE, ASKED_MS = 7, 1_000
ENOUGH = 2


def head(height: int, branch: int = 0) -> TrustedHead:
    return replace(genesis_head(make_genesis()), height=height, hash=bytes([branch, height]) * 16)


def word(height: int, branch: int = 0, nonce: int = NONCE) -> Fresh:
    return Fresh(nonce, height, head(height, branch).hash)


def asked() -> Freshness:
    freshness = Freshness(ENOUGH)
    freshness.asked(NONCE, ASKED_MS)
    return freshness


def test_enough_validators_must_agree() -> None:
    freshness = asked()
    assert freshness.hear(b"one", word(5), head(5)) == Heard.AGREES
    assert freshness.hear(b"one", word(5), head(5)) == Heard.AGREES
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN
    assert freshness.hear(b"two", word(5), head(5)) == Heard.AGREES
    assert freshness.standing(ASKED_MS) == Standing.FRESH


def test_words_on_another_question_and_of_validators_that_are_behind_say_nothing() -> None:
    freshness = asked()
    for name in (b"one", b"two", b"three"):
        assert freshness.hear(name, word(5, nonce=NONCE + 1), head(5)) == Heard.NOTHING
        assert freshness.hear(name, word(4), head(5)) == Heard.NOTHING
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN


def test_a_later_head_counts_once_it_is_reached() -> None:
    freshness = asked()
    assert freshness.hear(b"one", word(6), head(5)) == Heard.HIGHER
    assert freshness.hear(b"two", word(5), head(5)) == Heard.AGREES
    freshness.reached(head(5))
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN
    freshness.reached(head(6))
    assert freshness.standing(ASKED_MS) == Standing.FRESH


def test_another_header_at_the_height_that_is_reached_does_not_count() -> None:
    freshness = asked()
    freshness.hear(b"one", word(6, branch=1), head(5))
    freshness.hear(b"two", word(6), head(5))
    freshness.reached(head(6))
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN


def test_another_header_of_our_height_is_a_contradiction() -> None:
    freshness = asked()
    assert freshness.hear(b"one", word(5, branch=1), head(5)) == Heard.CONTRADICTS
    freshness.hear(b"two", word(5), head(5))
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN


def test_freshness_ends_and_its_age_counts_from_the_question() -> None:
    freshness = asked()
    for name in (b"one", b"two"):
        freshness.hear(name, word(5), head(5))
    end_ms = ASKED_MS + FRESH_MS
    assert freshness.standing(end_ms) == Standing.FRESH
    assert not freshness.wanted(end_ms)
    assert freshness.standing(end_ms + 1) == Standing.STALE_OK
    assert freshness.wanted(end_ms + 1)
    assert freshness.age_ms(end_ms + 1) == FRESH_MS + 1


def test_words_of_two_questions_are_not_added_up() -> None:
    freshness = asked()
    freshness.hear(b"one", word(5), head(5))
    freshness.asked(NONCE + 1, ASKED_MS)
    freshness.hear(b"two", word(5, nonce=NONCE + 1), head(5))
    assert freshness.standing(ASKED_MS) == Standing.UNKNOWN


def test_the_same_question_again_keeps_the_words_and_the_time() -> None:
    freshness = asked()
    freshness.hear(b"one", word(5), head(5))
    freshness.asked(NONCE, ASKED_MS + 60_000)
    freshness.hear(b"two", word(5), head(5))
    assert freshness.age_ms(ASKED_MS + 60_000) == 60_000


def test_after_a_sleep_an_earlier_question_no_longer_counts() -> None:
    freshness = asked()
    freshness.slept()
    assert freshness.hear(b"one", word(5), head(5)) == Heard.NOTHING
