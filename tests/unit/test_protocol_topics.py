"""[TOP-1] to [TOP-3]: the topic tree is built and taken apart in one place."""

from __future__ import annotations

import pytest

from edge_client.protocol.errors import DecodeError
from edge_client.protocol.topics import Topics, hash_level, index_level

TOPICS = Topics.of(bytes(range(32)))
BASE = "fl/v1/0001020304050607"


def matches(pattern: str, topic: str) -> bool:
    """MQTT wildcards + and a final #."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted, levels = wanted[:-1], levels[: len(wanted) - 1]
    return len(wanted) == len(levels) and all(w in ("+", t) for w, t in zip(wanted, levels, strict=True))


def test_every_topic_of_the_table() -> None:
    assert TOPICS.base == BASE
    assert TOPICS.up_head("d", "r") == f"{BASE}/up/d/head/r"
    assert TOPICS.up_chunk("d", "r", 7) == f"{BASE}/up/d/chunk/r/7"
    assert TOPICS.up_ask("d") == f"{BASE}/up/d/ask"
    assert TOPICS.up_state("d") == f"{BASE}/up/d/state"
    assert TOPICS.down_say("d", "v") == f"{BASE}/down/d/v/say"
    assert TOPICS.down_chunk("d", "v", "r", 0) == f"{BASE}/down/d/v/chunk/r/0"
    assert TOPICS.chain_head("v") == f"{BASE}/chain/head/v"
    assert TOPICS.snapshot("v") == f"{BASE}/val/v/snap"
    assert TOPICS.validator_say("v") == f"{BASE}/val/v/say"
    assert TOPICS.validator_ask("v") == f"{BASE}/val/v/ask"
    assert TOPICS.validator_chunk("v", "r", 1) == f"{BASE}/val/v/chunk/r/1"


def test_a_device_hears_its_own_mail_only() -> None:
    heard = [TOPICS.down_say("d", "v"), TOPICS.down_chunk("d", "v", "r", 3)]
    unheard = [
        TOPICS.down_say("e", "v"),
        TOPICS.up_ask("d"),
        TOPICS.up_head("e", "r"),
        TOPICS.snapshot("v"),
        TOPICS.validator_say("v"),
    ]
    filters = TOPICS.device_filters("d")
    assert all(any(matches(one, topic) for one in filters) for topic in heard)
    assert not any(matches(one, topic) for one in filters for topic in unheard)


def test_a_validator_hears_devices_and_validators_but_not_their_mail() -> None:
    heard = [
        TOPICS.up_head("d", "r"),
        TOPICS.up_chunk("d", "r", 0),
        TOPICS.up_ask("d"),
        TOPICS.validator_say("v"),
        TOPICS.validator_ask("v"),
        TOPICS.snapshot("v"),
        TOPICS.validator_chunk("v", "r", 0),
    ]
    unheard = [TOPICS.down_say("d", "v"), TOPICS.down_chunk("d", "v", "r", 0)]
    filters = TOPICS.validator_filters()
    assert all(any(matches(one, topic) for one in filters) for topic in heard)
    assert not any(matches(one, topic) for one in filters for topic in unheard)


def test_topics_of_other_chains_are_told_apart() -> None:
    assert TOPICS.split(TOPICS.up_chunk("d", "r", 7)) == ["up", "d", "chunk", "r", "7"]
    assert TOPICS.split("fl/v1/ffffffffffffffff/up/d/ask") is None
    assert TOPICS.split(f"{BASE}x/up/d/ask") is None
    assert TOPICS.split("") is None


@pytest.mark.parametrize("text", ["", "ab", "AB" * 32, "zz" * 32, "ab" * 33, " " + "ab" * 32, "ab " * 32])
def test_a_hash_has_one_spelling(text: str) -> None:
    assert hash_level("ab" * 32) == b"\xab" * 32
    with pytest.raises(DecodeError):
        hash_level(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "4096", "99999", "1.0", "\u0661", "x", " 1"])
def test_a_chunk_number_has_one_spelling(text: str) -> None:
    assert (index_level("0"), index_level("4095")) == (0, 4095)
    with pytest.raises(DecodeError):
        index_level(text)
