"""A peer with a real key and bad manners: says what it likes on the fleet's MQTT server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.machine import LinkUp, Publish, TransportEvent
from edge_client.protocol.messages import Ask, Receipt, SubmitRecord, UpdateOffer, encode_say
from edge_client.protocol.records import Register
from edge_client.protocol.topics import Topics
from edge_client.protocol.update import UpdateHead, update_root
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions
from tests.e2e.running_fleet import RunningFleet

LINK_S_MAX = 60.0
FUTURE_ROUND = 1 << 20


class BadPeer:
    """Publishes only; nothing that it hears matters."""

    def __init__(self, fleet: RunningFleet, signer: Signer) -> None:
        self.signer = signer
        self.name = node_id(signer.public_key)
        self.chain_id = fleet.stage.files.chain_id
        self.topics = Topics.of(self.chain_id)
        self.linked = Event()
        self.transport = MqttTransport(MqttOptions((fleet.stage.server.address,), self.name))

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one message."""
        self.transport.publish(Publish(topic, payload))

    def hear(self, event: TransportEvent) -> None:
        """What the transport reports."""
        if isinstance(event, LinkUp):
            self.linked.set()

    def register(self) -> None:
        """Ask for an account, as an honest device does."""
        record = Register(self.signer.public_key).sign(self.signer, self.chain_id)
        self.publish(self.topics.up_ask(self.name), Ask(1, 0, SubmitRecord(record)).encode())

    def offer(self, head: UpdateHead) -> None:
        """Offer an update of one chunk whose root covers our key."""
        hashes = (bytes(32),)
        root = update_root(self.signer.public_key, head.round, head.size, hashes)
        signed = replace(head, update_root=root).sign(self.signer, self.chain_id)
        self.publish(self.topics.up_head(self.name, root.hex()), UpdateOffer(signed, hashes).encode())


@contextmanager
def bad_peer(fleet: RunningFleet, signer: Signer) -> Iterator[BadPeer]:
    """A connected one."""
    peer = BadPeer(fleet, signer)
    peer.transport.start(peer.hear)
    try:
        assert peer.linked.wait(LINK_S_MAX)
        yield peer
    finally:
        peer.transport.stop()


def misbehave_as_device(peer: BadPeer, account: int) -> set[Reason]:
    """One bad message of each kind that needs no knowledge of the open round; returns the reasons to come."""
    head = UpdateHead(
        account=account,
        round=FUTURE_ROUND,
        base_height=1,
        base_model=bytes(32),
        update_root=bytes(32),
        size=100,
        samples=10,
        steps=10,
    )
    peer.publish(peer.topics.up_ask(peer.name), b"\xff")
    peer.publish(peer.topics.up_head(peer.name, bytes(32).hex()), bytes(50))
    stranger = Register(Signer(bytes(32)).public_key).sign(Signer(bytes(32)), peer.chain_id)
    peer.publish(peer.topics.up_ask(peer.name), Ask(2, 0, SubmitRecord(stranger)).encode())
    peer.offer(head)
    peer.offer(replace(head, account=account + 1000))
    peer.offer(replace(head, account=0 if account else 1))
    unsigned = UpdateOffer(head, (bytes(32),))
    peer.publish(peer.topics.up_head(peer.name, bytes(32).hex()), unsigned.encode())
    return {
        Reason.MALFORMED,
        Reason.WRONG_SENDER,
        Reason.UNKNOWN_BASE,
        Reason.UNREGISTERED,
        Reason.WRONG_HASH,
    }


def misbehave_as_validator(peer: BadPeer, device: str) -> set[Reason]:
    """The same to a device, with the name of a validator."""
    topic = peer.topics.down_say(device, peer.name)
    receipt = Receipt(1, 0, 1, bytes(32)).sign(peer.signer, bytes(32))
    peer.publish(topic, b"\x07nonsense")
    peer.publish(topic, encode_say(receipt))
    peer.publish(f"{topic[: -len('say')]}chunk/short/0", b"")
    return {Reason.MALFORMED, Reason.BAD_SIGNATURE}
