"""One validator machine without a network: a test hands it events, its effects are executed and kept.

A chain of one validator finalises by itself, so devices, rounds, crashes and restarts need nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from broker.adapters.memory_store import MemoryStore
from broker.core.consensus.events import Timing
from broker.core.guard import Standing
from broker.core.identity import Identity
from broker.core.ledger import Clock
from broker.core.validator import Validator, ValidatorEffect, ValidatorEvent, ValidatorSetup
from broker.core.verified import VerifyOnce
from edge_client.protocol.chunks import ObjectKind, split
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import Signer, node_id, verify
from edge_client.protocol.machine import LinkUp, Publish, Received, Refused, Woke
from edge_client.protocol.messages import Ask, Question, Receipt, Say, SubmitRecord, decode_say
from edge_client.protocol.params import ParamsPair
from edge_client.protocol.state import ChainState
from edge_client.protocol.topics import Topics
from tests.builders import (
    GRAPH_BYTES,
    ChainMaker,
    MadeUpdate,
    make_genesis,
    make_model,
    make_params,
    make_signers,
    make_update,
    register,
)

RECORDS_WAIT_MS = 5_000
WAKES_MAX = 1_000


def make_store(genesis: Genesis) -> MemoryStore:
    """What a validator has on disk before its first block."""
    pair = ParamsPair(genesis.params, genesis.params)
    return MemoryStore(
        {
            (ObjectKind.GENESIS, genesis.chain_id()): genesis.encode(),
            (ObjectKind.GRAPH, genesis.graph_root): GRAPH_BYTES,
            (ObjectKind.MODEL, genesis.model_root): make_model(genesis.manifest),
            (ObjectKind.PARAMS, pair.hash()): pair.encode(),
        }
    )


class LoneValidator:
    """Validator `number` of a chain, or an observer beyond its set; `effects` is all it asked for."""

    def __init__(
        self, genesis: Genesis | None = None, devices: int = 0, number: int = 0, **params: Any
    ) -> None:
        self.genesis = genesis or make_genesis(1, params=make_params(**params))
        self.chain_id = self.genesis.chain_id()
        self.topics = Topics.of(self.chain_id)
        self.store = make_store(self.genesis)
        self.now_ms = self.genesis.t0_s * 1000
        self.signer = make_signers(number + 1)[number]
        self.name = node_id(self.signer.public_key)
        self.devices = make_signers(devices or 8, "device")
        self.update_bodies: dict[bytes, bytes] = {}
        self.effects: list[ValidatorEffect] = []
        self.starts = 0
        self.start()
        if devices:
            self.join(self.devices)

    def start(self) -> None:
        """A new process on what is stored."""
        self.starts += 1
        rules = Rules(self.genesis, self.chain_id, VerifyOnce(verify))
        setup = ValidatorSetup(
            Identity.of(rules, self.signer),
            Clock(self.genesis.t0_s),
            Timing(),
            bytes([self.starts]),
            Standing(listen_ms=0),
        )
        self.machine = Validator(setup, self.store, self.store.load())
        self.give(LinkUp("memory"))

    # --- events -------------------------------------------------------------------------------------------

    def give(self, event: ValidatorEvent) -> list[ValidatorEffect]:
        """One event; its effects, executed."""
        effects = self.machine.handle(event, self.now_ms)
        for effect in effects:
            self.execute(effect)
        return effects

    def execute(self, effect: ValidatorEffect) -> None:
        """Write what is to be written, and keep the effect."""
        write = self.store.executors().get(type(effect))
        if write is not None:
            write(effect)
        self.effects.append(effect)

    def receive(self, topic: str, payload: bytes) -> list[ValidatorEffect]:
        """One MQTT message."""
        return self.give(Received(topic, payload))

    def run(self, duration_ms: int) -> None:
        """Let time pass; every deadline is kept."""
        end_ms = self.now_ms + duration_ms
        for _ in range(WAKES_MAX):
            due_ms = self.machine.deadline()
            if due_ms is None or due_ms > end_ms:
                self.now_ms = end_ms
                return
            self.now_ms = max(self.now_ms, due_ms)
            self.give(Woke())
        raise AssertionError("it never comes to rest")

    # --- devices ------------------------------------------------------------------------------------------

    @property
    def state(self) -> ChainState:
        """The state of the finalised head."""
        return self.machine.head.state

    def signer_of(self, account: int) -> Signer:
        """The key of an account."""
        key = self.state.accounts[account].public_key
        return next(one for one in self.devices if one.public_key == key)

    def join(self, signers: Sequence[Signer]) -> None:
        """Register devices and let the block be made."""
        for signer in signers:
            self.ask(signer, SubmitRecord(register(signer, self.chain_id)))
        self.run(RECORDS_WAIT_MS)

    def make_update(self, account: int, **changes: Any) -> MadeUpdate:
        """An update of the open round."""
        return make_update(cast("ChainMaker", self), account, **changes)

    def ask(self, signer: Signer, question: Question, nonce: int = 0) -> list[ValidatorEffect]:
        """A question or record of a device."""
        topic = self.topics.up_ask(node_id(signer.public_key))
        return self.receive(topic, Ask(nonce, 0, question).encode())

    def offer(self, signer: Signer, made: MadeUpdate) -> list[ValidatorEffect]:
        """Head and chunk hashes of an update."""
        root = made.head.update_root.hex()
        return self.receive(self.topics.up_head(node_id(signer.public_key), root), made.offer.encode())

    def chunks(self, signer: Signer, made: MadeUpdate) -> list[ValidatorEffect]:
        """All chunks of its body."""
        device, root = node_id(signer.public_key), made.head.update_root.hex()
        effects: list[ValidatorEffect] = []
        for index, data in enumerate(split(made.body)):
            effects += self.receive(self.topics.up_chunk(device, root, index), data)
        return effects

    def hand_in(self, account: int, **changes: Any) -> MadeUpdate:
        """A whole update of an account."""
        made = self.make_update(account, **changes)
        signer = self.signer_of(account)
        self.offer(signer, made)
        self.chunks(signer, made)
        return made


def said(effects: Sequence[ValidatorEffect]) -> list[Say]:
    """What devices were told, in order."""
    return [
        decode_say(one.payload)
        for one in effects
        if isinstance(one, Publish) and "/down/" in one.topic and one.topic.endswith("/say")
    ]


def receipts(effects: Sequence[ValidatorEffect]) -> list[Receipt]:
    """Every receipt and refusal signed."""
    return [one for one in said(effects) if isinstance(one, Receipt)]


def refusals(effects: Sequence[ValidatorEffect]) -> list[Refused]:
    """What was counted as refused."""
    return [one for one in effects if isinstance(one, Refused)]
