"""Devices say anything at all to one validator: it never crashes, keeps its promises and never takes back a
refusal for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.validator import ValidatorEffect
from edge_client.protocol.chunks import Bitmap, ObjectKind
from edge_client.protocol.keys import node_id
from edge_client.protocol.machine import Publish
from edge_client.protocol.messages import REFUSED, Ask, GetChunks, GetHeaders, SubmitRecord
from edge_client.protocol.wake import Wake
from tests.builders import MadeUpdate, make_body, make_signers, params_change, register
from tests.lone_validator import LoneValidator, receipts, refusals
from tests.promises import Promises

DEVICES, EXTRA = 3, 2
MESSAGES_MAX = 30


class Watched(LoneValidator):
    """Holds every message against the disk, and remembers what was refused for good."""

    def __init__(self) -> None:
        self.promises: Promises | None = None
        self.refused_roots: set[bytes] = set()
        self.made: list[MadeUpdate] = []
        super().__init__(devices=DEVICES, k=2, k_max=2, round_s=30, staleness_max=1)
        self.devices = make_signers(DEVICES + EXTRA, "device")

    def execute(self, effect: ValidatorEffect) -> None:
        if isinstance(effect, Publish):
            self.promises = self.promises or Promises(self.store, self.chain_id)
            self.promises.check(effect)
        super().execute(effect)
        for one in receipts([effect]):
            if one.verdict == REFUSED:
                self.refused_roots.add(one.update_root)
            else:
                assert one.update_root not in self.refused_roots

    def check(self) -> None:
        """No block holds what was refused for good."""
        assert not [root for root in self.refused_roots if self.store.inclusion(root)]


Action = Callable[[Watched, int, int], object]


def train(lone: Watched, device: int, seed: int) -> None:
    """An update of the open round, not sent yet; a few are lazy."""
    accounts = len(lone.state.accounts)
    changes = {"steps": 1} if seed % 7 == 0 else {}
    lone.made.append(lone.make_update(device % accounts, body=make_body(seed=seed), **changes))


def send(lone: Watched, device: int, seed: int) -> None:
    """An update of anybody and any time, sent by anybody, whole or in part, perhaps with one thing broken."""
    if not lone.made:
        return
    made = lone.made[seed % len(lone.made)]
    owner = lone.signer_of(made.head.account)
    sender = owner if seed % 3 else lone.devices[device % len(lone.devices)]
    if seed % 5 == 0:
        fields: dict[str, Any] = {
            "round": 1 + seed % 4,
            "account": seed % 4,
            "size": 10,
            "steps": 1 + seed % 9,
        }
        field = sorted(fields)[seed % len(fields)]
        made = MadeUpdate(replace(made.head, **{field: fields[field]}), made.body)
        if seed % 2 == 0:
            made = MadeUpdate(made.head.sign(sender, lone.chain_id), made.body)
    if made.head.size == len(made.body):
        lone.offer(sender, made)
    if seed % 4:
        body = made.body if seed % 11 else bytes([9]) + made.body[1:]
        lone.chunks(sender, MadeUpdate(made.head, body))


def ask(lone: Watched, device: int, seed: int) -> None:
    """Any question."""
    signer = lone.devices[device % len(lone.devices)]
    roots = tuple(one.head.update_root for one in lone.made[-3:])
    rules = replace(
        lone.state.params.next, sequence=lone.state.params.next.sequence + seed % 3, k_max=2 + seed % 3
    )
    questions = (
        SubmitRecord(register(lone.devices[seed % len(lone.devices)], lone.chain_id)),
        SubmitRecord(register(signer, lone.chain_id)),
        SubmitRecord(params_change(lone.chain_id, rules, range(seed % 4))),
        GetHeaders(1 + seed % 3, 3),
        GetChunks(ObjectKind(1 + seed % 6), lone.genesis.graph_root, Bitmap(seed % 3, 0)),
        Wake(0, seed % 3, 1, seed % 5 == 0, roots),
    )
    lone.ask(signer, questions[seed % len(questions)], nonce=seed)


def babble(lone: Watched, device: int, seed: int) -> None:
    """Bytes that mean nothing, or almost nothing, on any device topic: refused and counted, each time."""
    signer = lone.devices[device % len(lone.devices)]
    name = node_id(signer.public_key)
    good = Ask(seed, 0, Wake(0, 1, 1, False, (bytes(32),))).encode()
    cut = seed % (len(good) - 1)  # with one byte put behind, still a byte short
    topics = (lone.topics.up_ask(name), lone.topics.up_head(name, "00"), f"{lone.topics.base}/up/{seed}")
    assert refusals(lone.receive(topics[seed % 3], good[:cut] + bytes([255]) * (seed % 2)))


def wait(lone: Watched, device: int, seed: int) -> None:
    """Time passes."""
    lone.run(device * 10_000 + seed)


def restart(lone: Watched, _device: int, _seed: int) -> None:
    """The process is another one from here on."""
    lone.start()


ACTIONS: tuple[Action, ...] = (train, train, send, send, send, ask, babble, wait, restart)
STEPS = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 4), st.integers(0, 1000))


@settings(max_examples=60)
@given(steps=st.lists(STEPS, max_size=MESSAGES_MAX))
def test_whatever_devices_say_the_validator_keeps_its_promises(steps: list[tuple[Action, int, int]]) -> None:
    lone = Watched()
    for action, device, seed in steps:
        action(lone, device, seed)
    lone.check()


@settings(max_examples=30)
@given(seeds=st.lists(st.integers(0, 1000), min_size=4, max_size=12))
def test_after_whatever_was_said_a_round_still_closes(seeds: list[int]) -> None:
    lone = Watched()
    for seed in seeds:
        train(lone, seed, seed)
        send(lone, seed, seed)
        ask(lone, seed, seed)
    lone.run(120_000)
    before = lone.state.learning.round
    for account in range(DEVICES):
        lone.hand_in(account)
    lone.run(60_000)
    assert lone.state.learning.round > before
    lone.check()
