from __future__ import annotations

import pytest

from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.mosquitto import acl_text
from tests.transport_rigs import ACCESS, CHAIN, DEVICE, OTHER_DEVICE, TOPICS, VALIDATOR

OTHER_CHAIN = "fl/v1/0000000000000000"
DEVICE_MAY = [
    TOPICS.up_head(DEVICE, "r"),
    TOPICS.up_chunk(DEVICE, "r", 7),
    TOPICS.up_ask(DEVICE),
    TOPICS.up_state(DEVICE),
]
NOBODY_MAY = [
    TOPICS.up_ask(DEVICE) + "/more",
    TOPICS.up_chunk(DEVICE, "r", "7/8"),
    f"{TOPICS.base}/up/{DEVICE}/spam",
    f"{OTHER_CHAIN}/up/{DEVICE}/ask",
    f"{TOPICS.base}/enrol/123/ask",
    "$SYS/broker",
    "",
]
VALIDATOR_MAY = [
    TOPICS.snapshot(VALIDATOR),
    TOPICS.validator_say(VALIDATOR),
    TOPICS.validator_ask(VALIDATOR),
    TOPICS.validator_chunk(VALIDATOR, "r", 1),
    TOPICS.chain_head(VALIDATOR),
    TOPICS.down_say(DEVICE, VALIDATOR),
    TOPICS.down_chunk(DEVICE, VALIDATOR, "r", 1),
]


def test_publish_rights() -> None:
    for topic in DEVICE_MAY:
        assert ACCESS.may_publish(DEVICE, topic)
        assert not ACCESS.may_publish(OTHER_DEVICE, topic)
        assert not ACCESS.may_publish(VALIDATOR, topic)
    for topic in VALIDATOR_MAY:
        assert ACCESS.may_publish(VALIDATOR, topic)
        assert not ACCESS.may_publish(DEVICE, topic)
    for topic in NOBODY_MAY:
        assert not ACCESS.may_publish(DEVICE, topic)
        assert not ACCESS.may_publish(VALIDATOR, topic)


def test_a_validator_cannot_speak_for_another() -> None:
    other = "b" * 32
    access = AccessList(CHAIN, frozenset({VALIDATOR, other}))
    for topic in VALIDATOR_MAY:
        assert access.may_publish(VALIDATOR, topic)
        assert not access.may_publish(other, topic)


def test_hearing_rights() -> None:
    for topic_filter in (
        *TOPICS.device_filters(DEVICE),
        TOPICS.chain_head(VALIDATOR),
        TOPICS.chain_head("+"),
    ):
        assert ACCESS.may_hear(DEVICE, topic_filter)
    for topic_filter in TOPICS.validator_filters():
        assert ACCESS.may_hear(VALIDATOR, topic_filter)
        assert not ACCESS.may_hear(DEVICE, topic_filter)
    for topic_filter in (*TOPICS.device_filters(OTHER_DEVICE), TOPICS.down_say("+", VALIDATOR), "#", "+/#"):
        assert not ACCESS.may_hear(DEVICE, topic_filter)
        assert not ACCESS.may_hear(VALIDATOR, topic_filter)


@pytest.mark.parametrize("name", ["", "+", "#", "a" * 31, "A" * 32, "a" * 33, "+" * 32, "a" * 32 + "\n"])
def test_a_name_that_is_no_node_id_has_no_rights(name: str) -> None:
    assert not ACCESS.may_publish(name, f"{TOPICS.base}/up/{name}/ask")
    assert not ACCESS.may_hear(name, f"{TOPICS.base}/down/{name}/#")


def test_the_mosquitto_list_says_the_same() -> None:
    lines = acl_text(ACCESS).splitlines()
    start = lines.index(f"user {VALIDATOR}")
    common = {tuple(line.replace("%u", DEVICE).split()[1:]) for line in lines[:start]}
    own = {tuple(line.split()[1:]) for line in lines[start + 1 :]}
    assert all(line.startswith("pattern ") for line in lines[:start])
    for node, rights in (
        (DEVICE, common),
        (VALIDATOR, {(kind, text.replace(DEVICE, VALIDATOR)) for kind, text in common} | own),
    ):
        assert {text for kind, text in rights if kind == "write"} == set(ACCESS.publish_filters(node))
        assert {text for kind, text in rights if kind == "read"} == set(ACCESS.hear_filters(node))
