"""Devices that do not train: they register and hand in ready-made updates, so that only consensus works.

One MQTT client per device, because the access list lets nobody publish for somebody else.
"""

from __future__ import annotations

import queue
import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from edge_client.protocol.chunks import chunk_hash, split
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import LinkUp, Publish, Received, TransportEvent
from edge_client.protocol.messages import Ask, SubmitRecord, UpdateOffer, decode_say
from edge_client.protocol.records import Register
from edge_client.protocol.topics import Topics
from edge_client.protocol.update import UpdateBody, UpdateHead, update_root_of
from edge_client.protocol.wake import Awake, Wake
from edge_client.runtime.mqtt import MqttTransport
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress

SAMPLES = 40
CODE_MAX = 3
"""Small steps: the model must not run away in hundreds of rounds."""
EXPONENT = -12
ASK_AGAIN_S = 1.0


class NoAnswerError(Exception):
    """The chain did not move on in time."""


@dataclass(slots=True)
class Device:
    """One scripted device and its connection."""

    signer: Signer
    transport: MqttTransport
    account: int | None = None

    @property
    def name(self) -> str:
        """The node id."""
        return node_id(self.signer.public_key)


class ScriptedDevices:
    """Some devices; the first one also listens to the chain head of one validator."""

    def __init__(self, genesis: Genesis, server: ServerAddress, count: int) -> None:
        self._genesis = genesis
        self._chain_id = genesis.chain_id()
        self._topics = Topics.of(self._chain_id)
        self._heard: queue.SimpleQueue[tuple[Device, TransportEvent]] = queue.SimpleQueue()
        signers = [Signer(digest(Tag.DEVICE, self._chain_id, bytes([i]))) for i in range(count)]
        self._devices = [
            Device(one, MqttTransport(MqttOptions((server,), node_id(one.public_key)))) for one in signers
        ]
        self._nonce = 0
        self._light: LightBlock | None = None

    @property
    def head(self) -> LightBlock | None:
        """The last light block heard; not verified, these devices believe anything."""
        return self._light

    def start(self, followed: str, wait_s: float) -> None:
        """Connect all, follow the head of this validator, and register."""
        for device in self._devices:
            device.transport.subscribe(self._topics.device_filters(device.name))
        self._devices[0].transport.subscribe((self._topics.chain_head(followed),))
        for device in self._devices:
            device.transport.start(partial(self._put, device))
        linked = set[str]()
        until_s = time.monotonic() + wait_s
        while len(linked) < len(self._devices):
            device, event = self._next(until_s)
            if isinstance(event, LinkUp):
                linked.add(device.name)
        self._register(until_s)

    def stop(self) -> None:
        """Disconnect all."""
        for device in self._devices:
            device.transport.stop()

    def hand_in(self) -> None:
        """Every device sends its update of the open round."""
        light = self._light
        if light is None:
            raise RuntimeError("no chain head was heard yet")
        for device in self._devices:
            self._send_update(device, light)

    def wait_for_round(self, number: int, wait_s: float) -> None:
        """Until this round is open; raises `NoAnswerError`."""
        until_s = time.monotonic() + wait_s
        while self._light is None or self._light.learning.round < number:
            self._take(*self._next(until_s))

    def _register(self, until_s: float) -> None:
        """Ask again and again: validators may not listen yet."""
        while any(device.account is None for device in self._devices):
            for device in self._devices:
                if device.account is None:
                    record = Register(device.signer.public_key).sign(device.signer, self._chain_id)
                    self._ask(device, SubmitRecord(record))
                    self._ask(device, Wake(0, 0, 1, fresh=False, update_roots=()))
            again_s = min(time.monotonic() + ASK_AGAIN_S, until_s)
            while any(device.account is None for device in self._devices):
                try:
                    self._take(*self._next(again_s))
                except NoAnswerError:
                    if time.monotonic() >= until_s:
                        raise
                    break

    def _ask(self, device: Device, question: SubmitRecord | Wake) -> None:
        self._nonce += 1
        ask = Ask(self._nonce, 0, question)
        device.transport.publish(Publish(self._topics.up_ask(device.name), ask.encode()))

    def _put(self, device: Device, event: TransportEvent) -> None:
        self._heard.put((device, event))

    def _next(self, until_s: float) -> tuple[Device, TransportEvent]:
        try:
            return self._heard.get(timeout=max(0.0, until_s - time.monotonic()))
        except queue.Empty:
            raise NoAnswerError("validators did not answer or decide in time; see their logs") from None

    def _take(self, device: Device, event: TransportEvent) -> None:
        if not isinstance(event, Received):
            return
        levels = self._topics.split(event.topic) or []
        if levels[:2] == ["chain", "head"]:
            light = LightBlock.decode(event.payload)
            if self._light is None or light.header.height > self._light.header.height:
                self._light = light
        elif levels[-1] == "say":
            said = decode_say(event.payload)
            if isinstance(said, Awake) and said.account is not None:
                device.account = said.account.index

    def _send_update(self, device: Device, light: LightBlock) -> None:
        if device.account is None:
            raise RuntimeError("not registered")
        learning, params = light.learning, self._genesis.params
        generator = np.random.Generator(np.random.PCG64([learning.round, device.account]))
        sizes = self._genesis.manifest.sizes
        codes = generator.integers(-CODE_MAX, CODE_MAX + 1, sum(sizes), dtype=np.int8)
        body = UpdateBody((EXPONENT,) * len(sizes), codes).encode()
        head = UpdateHead(
            account=device.account,
            round=learning.round,
            base_height=learning.opened_height,
            base_model=light.app.model_root,
            update_root=update_root_of(device.signer.public_key, learning.round, body),
            size=len(body),
            samples=SAMPLES,
            steps=steps_asked(params, SAMPLES),
        ).sign(device.signer, self._chain_id)
        root, pieces = head.update_root.hex(), split(body)
        offer = UpdateOffer(head, tuple(chunk_hash(piece) for piece in pieces))
        device.transport.publish(Publish(self._topics.up_head(device.name, root), offer.encode()))
        for index, piece in enumerate(pieces):
            topic = self._topics.up_chunk(device.name, root, index)
            device.transport.publish(Publish(topic, piece))
