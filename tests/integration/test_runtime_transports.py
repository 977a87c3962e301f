"""The rules of `Transport`, in memory, on the embedded MQTT 3.1.1 server and on Mosquitto with MQTT 5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_client.protocol.machine import Acknowledged, LinkLost, LinkUp, Publish, Received
from edge_client.runtime.transport import Will
from tests.transport_rigs import (
    DEVICE,
    OTHER_DEVICE,
    PACKET_BYTES_MAX,
    TOPICS,
    VALIDATOR,
    Client,
    Rig,
    open_rig,
)

ASK = TOPICS.up_ask(DEVICE)
STATE = TOPICS.up_state(DEVICE)
ALL_STATES = TOPICS.up_state("+")


@pytest.fixture(params=["memory", "embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with open_rig(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
def device(rig: Rig) -> Client:
    return rig.client(DEVICE, Will(STATE, b"lost")).start()


@pytest.fixture
def validator(rig: Rig) -> Client:
    client = rig.client(VALIDATOR)
    client.transport.subscribe((*TOPICS.validator_filters(), ALL_STATES))
    return client.start()


def settle(client: Client, topic: str) -> None:
    """Return when the server has answered every subscription and publish of `client` so far."""
    client.transport.publish(Publish(topic, b"", token=0))
    client.wait(Acknowledged, lambda answer: answer.token == 0)


def test_messages_reach_those_whose_filter_means_them(validator: Client, device: Client) -> None:
    device.transport.publish(Publish(TOPICS.up_chunk(DEVICE, "r", 3), b"chunk"))
    device.transport.publish(Publish(ASK, b"ask"))
    assert validator.wait(Received) == Received(TOPICS.up_chunk(DEVICE, "r", 3), b"chunk")
    assert validator.wait(Received) == Received(ASK, b"ask")


def test_link_up_comes_first(rig: Rig, device: Client) -> None:
    device.transport.publish(Publish(STATE, b"ready", retain=True, token=1))
    device.wait(Acknowledged)
    late = rig.client(VALIDATOR)
    late.transport.subscribe((ALL_STATES,))
    late.start()
    late.wait(Received)
    assert isinstance(late.seen[0], LinkUp)


def test_a_late_subscriber_gets_the_latest_retained_value(rig: Rig, device: Client) -> None:
    for value in (b"ready", b"training"):
        device.transport.publish(Publish(STATE, value, retain=True))
    settle(device, ASK)
    late = rig.client(VALIDATOR).start()
    late.transport.subscribe((ALL_STATES,))
    assert late.wait(Received).payload == b"training"


def test_an_empty_retained_value_clears_the_topic(rig: Rig, device: Client) -> None:
    device.transport.publish(Publish(STATE, b"ready", retain=True))
    device.transport.publish(Publish(STATE, b"", retain=True))
    settle(device, ASK)
    late = rig.client(VALIDATOR).start()
    late.transport.subscribe((ALL_STATES, TOPICS.up_ask("+")))
    settle(late, TOPICS.chain_head(VALIDATOR))
    device.transport.publish(Publish(ASK, b"marker"))
    late.wait(Received, lambda message: message.payload == b"marker")
    assert late.payloads() == [b"marker"]


def test_a_token_is_acknowledged_once(validator: Client, device: Client) -> None:
    for token in range(20):
        device.transport.publish(Publish(ASK, bytes([token]), token=token))
    for token in range(20):
        assert device.wait(Acknowledged) == Acknowledged(token, delivered=True)


def test_nobody_subscribes(rig: Rig, device: Client) -> None:
    device.transport.publish(Publish(ASK, b"?", token=1))
    assert device.wait(Acknowledged).delivered is not rig.loud


def test_last_will_after_a_broken_link(rig: Rig, validator: Client, device: Client) -> None:
    rig.lose(device)
    assert validator.wait(Received) == Received(STATE, b"lost")


def test_no_last_will_after_a_goodbye(rig: Rig, validator: Client, device: Client) -> None:
    device.transport.publish(Publish(STATE, b"sleeping", retain=True))
    validator.wait(Received)
    device.transport.stop()
    other = rig.client(OTHER_DEVICE).start()
    other.transport.publish(Publish(TOPICS.up_ask(OTHER_DEVICE), b"marker"))
    validator.wait(Received, lambda message: message.payload == b"marker")
    assert validator.payloads() == [b"sleeping", b"marker"]


def test_unsubscribed_topics_are_silent(validator: Client, device: Client) -> None:
    validator.transport.unsubscribe((TOPICS.up_ask("+"),))
    settle(validator, TOPICS.chain_head(VALIDATOR))
    device.transport.publish(Publish(ASK, b"ask"))
    device.transport.publish(Publish(TOPICS.up_head(DEVICE, "r"), b"head"))
    assert validator.wait(Received).payload == b"head"


def test_a_restarted_server_has_forgotten_and_the_clients_have_not(
    rig: Rig, validator: Client, device: Client
) -> None:
    device.transport.publish(Publish(STATE, b"ready", retain=True, token=1))
    device.wait(Acknowledged)
    validator.wait(Received)
    rig.restart_server()
    for client in (validator, device):
        client.wait(LinkLost)
        client.wait(LinkUp)
    device.transport.publish(Publish(ASK, b"still subscribed"))
    assert validator.wait(Received).payload == b"still subscribed"


def test_an_oversize_publish_is_refused_and_poisons_nothing(validator: Client, device: Client) -> None:
    device.transport.publish(Publish(ASK, bytes(PACKET_BYTES_MAX), token=1))
    assert device.wait(Acknowledged) == Acknowledged(1, delivered=False)
    device.transport.publish(Publish(ASK, b"small"))
    assert validator.wait(Received).payload == b"small"
    assert device.transport.traffic.dropped_oversize_count == 1
    assert not any(isinstance(event, LinkLost) for event in device.seen)


def test_a_device_cannot_speak_for_another(rig: Rig, validator: Client, device: Client) -> None:
    device.transport.publish(Publish(TOPICS.up_ask(OTHER_DEVICE), b"forged", token=1))
    device.transport.publish(Publish(ASK, b"own"))
    assert validator.wait(Received).payload == b"own"
    assert device.wait(Acknowledged).delivered is not rig.loud
    assert device.transport.traffic.denied_count == (1 if rig.loud else 0)


def test_a_device_cannot_listen_to_another(rig: Rig, validator: Client, device: Client) -> None:
    device.transport.subscribe((TOPICS.up_ask("+"), *TOPICS.device_filters(OTHER_DEVICE)))
    other = rig.client(OTHER_DEVICE).start()
    other.transport.publish(Publish(TOPICS.up_ask(OTHER_DEVICE), b"private"))
    validator.wait(Received)
    validator.transport.publish(Publish(TOPICS.down_say(OTHER_DEVICE, VALIDATOR), b"private"))
    device.transport.subscribe(TOPICS.device_filters(DEVICE))
    settle(device, ASK)
    validator.transport.publish(Publish(TOPICS.down_say(DEVICE, VALIDATOR), b"marker"))
    device.wait(Received, lambda message: message.payload == b"marker")
    assert device.payloads() == [b"marker"]


def test_messages_without_a_token_survive_a_broken_link(rig: Rig, validator: Client, device: Client) -> None:
    rig.lose(device)
    device.wait(LinkLost)
    for number in range(50):
        device.transport.publish(Publish(ASK, bytes([number])))
    rig.heal(device)
    device.wait(LinkUp)
    validator.wait(Received, lambda message: message.payload == bytes([49]))
    assert [payload for payload in validator.payloads() if payload != b"lost"] == [
        bytes([n]) for n in range(50)
    ]


def test_unacknowledged_messages_are_sent_again(rig: Rig, validator: Client, device: Client) -> None:
    """A duplicate is allowed, a loss is not."""
    if not rig.loud:
        pytest.skip("amqtt drops acknowledged messages when their sender's connection breaks")
    for number in range(200):
        device.transport.publish(Publish(ASK, bytes([number])))
        if number % 50 == 25:
            rig.lose(device)
            device.wait(LinkLost)
            rig.heal(device)
            device.wait(LinkUp)
    validator.wait(Received, lambda message: message.payload == bytes([199]))
    assert {payload for payload in validator.payloads() if payload != b"lost"} == {
        bytes([n]) for n in range(200)
    }


def test_tokens_do_not_survive_a_broken_link(rig: Rig, validator: Client, device: Client) -> None:
    rig.black_hole(device)
    device.transport.publish(Publish(ASK, b"under way", token=1))
    rig.lose(device)
    device.wait(LinkLost)
    device.transport.publish(Publish(ASK, b"while down", token=2))
    rig.heal(device)
    device.wait(LinkUp)
    device.transport.publish(Publish(ASK, b"again", token=3))
    assert device.wait(Acknowledged) == Acknowledged(3, delivered=True)
    validator.wait(Received, lambda message: message.payload == b"again")
    assert b"while down" not in validator.payloads()
    assert device.tokens() == {3: True}
    assert device.transport.traffic.dropped_unlinked_count >= 1


def test_traffic_counts_payload_bytes(validator: Client, device: Client) -> None:
    device.transport.publish(Publish(ASK, bytes(1000), token=1))
    device.wait(Acknowledged)
    validator.wait(Received)
    assert device.transport.traffic.up_bytes == 1000
    assert validator.transport.traffic.down_bytes == 1000


def test_asleep_nothing_is_sent_and_awake_everything_is_there_again(
    rig: Rig, validator: Client, device: Client
) -> None:
    say = TOPICS.down_say(DEVICE, VALIDATOR)
    device.transport.subscribe((say,))
    settle(device, ASK)
    for number in range(3):
        device.transport.publish(Publish(STATE, b"sleeping", retain=True))
        device.transport.sleep()
        validator.wait(Received, lambda message: message.payload == b"sleeping")
        device.transport.publish(Publish(ASK, b"later"))
        device.transport.publish(Publish(ASK, b"lost", token=9))
        device.transport.wake()
        device.wait(LinkUp)
        validator.wait(Received, lambda message: message.payload == b"later")
        validator.transport.publish(Publish(say, bytes([number]), token=number))
        assert device.wait(Received).payload == bytes([number])
    settle(device, ASK)
    assert not [event for event in device.seen if isinstance(event, LinkLost)]
    assert b"lost" not in validator.payloads()
