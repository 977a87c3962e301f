"""What a validator does with each bad input of the first-light issue: refuse, count, one log line, go on.

Here: everything that reaches a validator, in a network of four real validator machines in memory. The rest of
the issue's list stands where its code is:

    malformed, truncated bytes        here; on a device tests/unit/test_agent_bad_input.py
    wrong signature                   here; receipts, heads: test_agent_bad_input.py; votes:
                                      test_consensus_intake.py
    wrong chain id                    here; on a device test_agent_bad_input.py
    unknown base, too old             here; the rules one by one: test_protocol_execute.py
    wrong shapes, codes, oversize     here
    duplicate, replay                 here
    unregistered device               here
    unselected device                 here: its update waits for the deadline; a block with it before that is
                                      invalid: test_protocol_selection.py
    too few signatures on a header    here for validators, test_agent_bad_input.py for devices
    header below the stored height    test_agent_bad_input.py, test_light_client.py
    configuration                     test_device_config.py, test_validator_start.py
    data of the wrong shape           test_device_dataset.py, test_device_cli.py
    missing or unreadable key         test_runtime_keystore.py, test_device_cli.py, test_validator_start.py
    join string with a typo           test_protocol_join.py, test_device_cli.py

That all this is visible in `status` of real processes: tests/e2e/test_bad_input.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from edge_client.protocol.chunks import CHUNK_BYTES, Bitmap, ObjectKind
from edge_client.protocol.errors import Reason
from edge_client.protocol.execution.selection import is_selected
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish, Received
from edge_client.protocol.messages import Ask, GetChunks, SubmitRecord, encode_validator_say
from edge_client.protocol.params import Selection
from edge_client.protocol.topics import Topics
from edge_client.protocol.update import UpdateBody
from edge_client.protocol.votes import Certificate, Quorum, finalize, nullify, vote
from edge_client.runtime.logs import EventLog
from edge_client.runtime.memory import MemoryTransport
from firmware_profiles.simulate.world import Node
from tests.builders import MadeUpdate, make_body, make_signers, make_update, register
from tests.simulation.scripted import Device, do_round, join_all, make_world, view
from tests.simulation.world import World

DEVICES = 3
STALENESS_MAX = 2
SETTLE_MS = 900
ROUND_MS_MAX = 180_000
OTHER_CHAIN = bytes(range(32))


@dataclass(slots=True)
class Scene:
    """A chain that is old enough for every window to have an outside; its first device has gone bad."""

    world: World
    devices: list[Device]

    @property
    def attacker(self) -> Device:
        return self.devices[0]

    @property
    def manifest(self) -> Any:
        return self.world.genesis.manifest

    @property
    def round(self) -> int:
        return self.world.validators()[0].head.state.learning.round

    def update(self, device: Device, body: UpdateBody | None = None, **changes: Any) -> MadeUpdate:
        """An update of a device for the open round, signed after `changes`."""
        validator = self.world.validators()[0]
        account = validator.head.state.accounts.index_of(device.signer.public_key)
        assert account is not None
        return make_update(view(self.world, validator, self.devices), account, body, **changes)

    def signed(self, **changes: Any) -> MadeUpdate:
        """The attacker's update with a changed head, signed by himself."""
        made = self.update(self.attacker)
        head = replace(made.head, **changes).sign(self.attacker.signer, self.world.rules.chain_id)
        return replace(made, head=head)

    def head(self, payload: bytes, root: bytes) -> None:
        self.publish(self.attacker.topics.up_head(self.attacker.name, root.hex()), payload)

    def chunk(self, made: MadeUpdate, data: bytes) -> None:
        """Offer an update, then send these bytes as its first chunk."""
        self.head(made.offer.encode(), made.head.update_root)
        topic = self.attacker.topics.up_chunk(self.attacker.name, made.head.update_root.hex(), 0)
        self.publish(topic, data)

    def ask(self, payload: bytes) -> None:
        self.publish(self.attacker.topics.up_ask(self.attacker.name), payload)

    def publish(self, topic: str, payload: bytes) -> None:
        self.attacker.transport.publish(Publish(topic, payload))

    def close_round_without_attacker(self) -> None:
        """The honest devices go on; the deadline closes the round without the third update."""
        before = self.round
        for device in self.devices[1:]:
            device.offer(self.update(device))
        rounds = self.world.validators
        closed = self.world.run(
            ROUND_MS_MAX, lambda: all(v.head.state.learning.round > before for v in rounds())
        )
        assert closed, f"round {before} stays open"
        assert len({validator.head.hash for validator in self.world.validators()}) == 1


@pytest.fixture
def scene() -> Scene:
    world = make_world(4, staleness_max=STALENESS_MAX)
    devices = [Device(world, i) for i in range(DEVICES)]
    join_all(world, devices)
    for _ in range(STALENESS_MAX + 1):
        do_round(world, devices)
    assert not any(node.refused for node in world.nodes)
    return Scene(world, devices)


def truncated_offer(scene: Scene) -> None:
    made = scene.update(scene.attacker)
    scene.head(made.offer.encode()[:-1], made.head.update_root)


def extended_offer(scene: Scene) -> None:
    made = scene.update(scene.attacker)
    scene.head(made.offer.encode() + b"\0", made.head.update_root)


def wrong_signature(scene: Scene) -> None:
    made = scene.update(scene.attacker)
    scene.attacker.offer(replace(made, head=replace(made.head, signature=bytes(64))))


def signature_of_another_device(scene: Scene) -> None:
    made = scene.update(scene.attacker)
    signer, chain_id = scene.devices[1].signer, scene.world.rules.chain_id
    scene.attacker.offer(replace(made, head=made.head.sign(signer, chain_id)))


def update_for_another_chain(scene: Scene) -> None:
    made = scene.update(scene.attacker)
    scene.attacker.offer(replace(made, head=made.head.sign(scene.attacker.signer, OTHER_CHAIN)))


def registration_of_another_key(scene: Scene) -> None:
    record = register(make_signers(9, "device")[8], scene.world.rules.chain_id)
    scene.ask(Ask(1, 0, SubmitRecord(record)).encode())


def update_of_another_account(scene: Scene) -> None:
    scene.attacker.offer(scene.update(scene.devices[1]))


def code_out_of_range(scene: Scene) -> None:
    codes = make_body(scene.manifest).codes.copy()
    codes[3] = np.int8(-128)
    scene.attacker.offer(scene.update(scene.attacker, UpdateBody((-10, -10), codes)))


def exponent_out_of_range(scene: Scene) -> None:
    body = UpdateBody((1, -10), make_body(scene.manifest).codes)
    scene.attacker.offer(scene.update(scene.attacker, body))


def body_of_another_shape(scene: Scene) -> None:
    body = UpdateBody((-10,), np.ones(5, dtype=np.int8))
    scene.attacker.offer(scene.update(scene.attacker, body))


def two_updates_for_one_round(scene: Scene) -> None:
    scene.attacker.offer(scene.update(scene.attacker))
    scene.attacker.offer(scene.update(scene.attacker, make_body(scene.manifest, seed=99)))


def another_update_for_a_round_that_counted(scene: Scene) -> None:
    body = make_body(scene.manifest, seed=99)
    scene.attacker.offer(scene.update(scene.attacker, body, round=scene.round - 1))


def update_older_than_the_window(scene: Scene) -> None:
    body = make_body(scene.manifest, seed=99)
    scene.attacker.offer(scene.update(scene.attacker, body, round=scene.round - STALENESS_MAX - 1))


def flood_of_questions(scene: Scene) -> None:
    question = GetChunks(ObjectKind.GENESIS, scene.world.rules.chain_id, Bitmap(0, 0))
    for nonce in range(100):
        scene.ask(Ask(nonce, 0, question).encode())


def speaking_as_a_validator(scene: Scene) -> None:
    said = encode_validator_say(vote(nullify(0, 1), 0, bytes(64)))
    scene.publish(scene.attacker.topics.validator_say(scene.attacker.name), said)


Attack = Callable[[Scene], None]
FROM_DEVICES: list[tuple[Reason, Attack]] = [
    (Reason.MALFORMED, lambda scene: scene.head(b"", bytes(32))),
    (Reason.MALFORMED, truncated_offer),
    (Reason.MALFORMED, extended_offer),
    (Reason.MALFORMED, lambda scene: scene.ask(b"\xff" * 40)),
    (Reason.MALFORMED, lambda scene: scene.head(b"x", b"short")),
    (Reason.WRONG_HASH, lambda s: s.head(s.update(s.attacker).offer.encode(), bytes(32))),
    (Reason.BAD_SIGNATURE, wrong_signature),
    (Reason.BAD_SIGNATURE, signature_of_another_device),
    (Reason.BAD_SIGNATURE, update_for_another_chain),
    (Reason.WRONG_SENDER, registration_of_another_key),
    (Reason.WRONG_SENDER, update_of_another_account),
    (Reason.WRONG_SENDER, speaking_as_a_validator),
    (Reason.UNKNOWN_BASE, lambda scene: scene.attacker.offer(scene.signed(base_model=bytes(32)))),
    (Reason.UNKNOWN_BASE, lambda scene: scene.attacker.offer(scene.signed(base_height=1))),
    (Reason.UNREGISTERED, lambda scene: scene.attacker.offer(scene.signed(account=DEVICES))),
    (Reason.STALE, update_older_than_the_window),
    (Reason.WRONG_SHAPE, body_of_another_shape),
    (Reason.OUT_OF_RANGE, code_out_of_range),
    (Reason.OUT_OF_RANGE, exponent_out_of_range),
    (Reason.OUT_OF_RANGE, lambda scene: scene.attacker.offer(scene.signed(steps=1, samples=4000))),
    (Reason.OVERSIZE, lambda s: s.chunk(s.update(s.attacker), bytes(CHUNK_BYTES + 1))),
    (Reason.WRONG_HASH, lambda s: s.chunk(s.update(s.attacker), bytes(10))),
    (Reason.DUPLICATE, two_updates_for_one_round),
    (Reason.REPLAY, another_update_for_a_round_that_counted),
    (Reason.RATE, flood_of_questions),
]


def check_refused(nodes: list[Node], reason: Reason, sender: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each of these validators refused for this reason only, and says so in one line."""
    logger = logging.getLogger("test.validator")
    for node in nodes:
        assert {(one.reason, one.sender) for one in node.refused} == {(reason, sender)}, node.refused
        caplog.clear()
        log = EventLog(logger)
        for one in node.refused:
            log.refused(one)
        assert log.refused_counts == {reason: len(node.refused)}
        (line,) = caplog.messages
        assert line.startswith(f"refused reason={reason.value} sender={sender} detail=")


@pytest.mark.parametrize(("reason", "attack"), FROM_DEVICES)
def test_bad_input_of_a_device(
    scene: Scene, reason: Reason, attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    before = scene.world.validators()[0].head.hash
    attack(scene)
    scene.world.run(SETTLE_MS)
    check_refused(scene.world.nodes, reason, scene.attacker.name, caplog)
    assert all(validator.head.hash == before for validator in scene.world.validators())
    scene.close_round_without_attacker()


def test_a_topic_of_another_chain(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """No server sends one, because nobody subscribes to it; a hostile one may."""
    topic = Topics.of(OTHER_CHAIN).up_ask(scene.attacker.name)
    for node in scene.world.nodes:
        node.post(Received(topic, b""))
    check_refused(scene.world.nodes, Reason.WRONG_CHAIN, "mqtt-server", caplog)
    scene.close_round_without_attacker()


def test_a_registration_for_another_chain(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    stranger = Device(scene.world, DEVICES)
    record = register(stranger.signer, OTHER_CHAIN)
    ask = Ask(1, 0, SubmitRecord(record))
    stranger.transport.publish(Publish(stranger.topics.up_ask(stranger.name), ask.encode()))
    scene.world.run(SETTLE_MS)
    check_refused(scene.world.nodes, Reason.BAD_SIGNATURE, stranger.name, caplog)
    scene.close_round_without_attacker()


def test_an_update_twice_is_confirmed_twice_and_counts_once(scene: Scene) -> None:
    """A device that lost the receipt sends everything again; so does who replays what he overheard."""
    made = scene.update(scene.attacker)
    for _ in range(2):
        scene.attacker.offer(made)
    scene.close_round_without_attacker()
    number = made.head.account
    balance = scene.world.validators()[0].head.state.accounts[number].balance
    scene.attacker.offer(made)
    scene.close_round_without_attacker()
    assert scene.world.validators()[0].head.state.accounts[number].balance == balance
    assert not any(node.refused for node in scene.world.nodes)


def test_an_unselected_device_waits_for_the_deadline() -> None:
    """Its update is no fault, but it cannot close a round early nor push a selected one aside."""
    world = make_world(4, selection=Selection.EXACT, selected=1, k=1, min_updates=1)
    scene = Scene(world, [Device(world, i) for i in range(DEVICES)])
    join_all(world, scene.devices)
    scene.attacker.offer(scene.update(scene.attacker))
    assert world.run(ROUND_MS_MAX, lambda: all(v.head.state.learning.round == 2 for v in world.validators()))
    validator = world.validators()[0]
    state, opened = validator.head.state, validator.head.hash
    base = state.bases[-1]
    unselected = [d for d in scene.devices if not is_selected(base.seed, d.signer.public_key, base.theta)]
    assert len(unselected) == DEVICES - 1
    made = scene.update(unselected[0])
    unselected[0].offer(made)
    deadline_ms = (world.genesis.t0_s + state.learning.opened_at_s + state.params.in_force.round_s) * 1000
    world.run(deadline_ms - world.now_ms - 1)
    assert {one.head.hash for one in world.validators()} == {opened}
    assert world.run(ROUND_MS_MAX, lambda: all(one.head.hash != opened for one in world.validators()))
    assert {store.inclusion(made.head.update_root) for store in world.stores.values()} == {
        (validator.head.height, 0)
    }


class GoneBad:
    """Validator 3 with its own key, but other software."""

    def __init__(self, scene: Scene) -> None:
        self.signer = scene.world.signers[3]
        self.name = node_id(self.signer.public_key)
        next(node for node in scene.world.nodes if node.name == self.name).kill()
        self.topics = Topics.of(scene.world.rules.chain_id)
        self._transport = MemoryTransport(scene.world.server, self.name)
        self._transport.start(lambda _event: None)

    def say(self, payload: bytes) -> None:
        self.publish(self.topics.validator_say(self.name), payload)

    def publish(self, topic: str, payload: bytes) -> None:
        self._transport.publish(Publish(topic, payload))


def certificate_of_one(scene: Scene, bad: GoneBad) -> Certificate:
    """A block nobody else has seen, finalised by this validator alone."""
    validator = scene.world.validators()[0]
    header = scene.world.stores[0].header(validator.head.height)
    assert header is not None
    header = replace(header, height=header.height + 1, slot=header.slot + 1)
    subject = finalize(header, header.hash(scene.world.rules.chain_id))
    message = subject.signing_bytes(scene.world.rules.chain_id)
    return Certificate(subject, Quorum.of({3: bad.signer.sign(message)}))


def forged_certificate(scene: Scene, bad: GoneBad) -> None:
    bad.say(encode_validator_say(certificate_of_one(scene, bad)))


FROM_VALIDATORS: list[tuple[Reason, Callable[[Scene, GoneBad], None]]] = [
    (Reason.MALFORMED, lambda _, bad: bad.say(b"\x09")),
    (Reason.MALFORMED, lambda _, bad: bad.say(b"\x02" + bytes(20))),
    (Reason.MALFORMED, lambda _, bad: bad.publish(bad.topics.snapshot(bad.name), b"\x01")),
    (Reason.MALFORMED, lambda _, bad: bad.publish(bad.topics.validator_ask(bad.name), b"")),
    (Reason.MALFORMED, lambda _, bad: bad.publish(bad.topics.validator_chunk(bad.name, "00", 0), b"")),
    (Reason.TOO_FEW_SIGNATURES, forged_certificate),
]


@pytest.mark.parametrize(("reason", "attack"), FROM_VALIDATORS)
def test_bad_input_of_a_validator(
    scene: Scene,
    reason: Reason,
    attack: Callable[[Scene, GoneBad], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = GoneBad(scene)
    attack(scene, bad)
    scene.world.run(SETTLE_MS)
    check_refused(scene.world.nodes, reason, bad.name, caplog)
    scene.close_round_without_attacker()
