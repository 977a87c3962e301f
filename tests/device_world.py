"""A device agent in a test: its disk is a dictionary, its trainer a function, its validators a `ChainMaker`.

`DeviceWorld` executes the agent's effects like the real shell does (saving into `Disk`, which can restore a
second agent after a "crash"), answers its questions from the chain, and lets virtual time pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from edge_client.core.agent import Agent, Phase
from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.events import (
    AgentEffect,
    AgentEvent,
    DropObject,
    Fate,
    GoOffline,
    GoOnline,
    Interrupted,
    PendingUpdate,
    PublishChunk,
    SaveAccount,
    SaveChain,
    SaveCheckpoint,
    SaveConflict,
    SaveHandoffs,
    SaveObject,
    SaveParams,
    SaveUpdate,
    SettleUpdate,
    StartTraining,
    TrainingFinished,
    TrainingOrder,
)
from edge_client.core.identity import Identity
from edge_client.core.stored import Stored
from edge_client.protocol.chunks import Piece, chunk_hash, split
from edge_client.protocol.errors import Reason
from edge_client.protocol.execution.checks import steps_asked
from edge_client.protocol.handoff import Handoff
from edge_client.protocol.header import Header
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.machine import (
    Acknowledged,
    LinkLost,
    LinkUp,
    Publish,
    Received,
    Subscribe,
    Unsubscribe,
    Woke,
)
from edge_client.protocol.messages import (
    ACCEPTED,
    REASONS,
    REFUSED,
    Ask,
    GetChunks,
    GetHeaders,
    MissingChunks,
    Receipt,
    Say,
    SubmitRecord,
    UpdateOffer,
    encode_say,
)
from edge_client.protocol.records import OptIn, OptOut, Register
from edge_client.protocol.update import update_root_of
from edge_client.protocol.wake import Wake
from tests.builders import ChainMaker, make_body, make_signers
from tests.wake_builders import awake_of

NOW_MS = 1_800_000_000_000 + 3_600_000
"""An hour after genesis of `make_genesis`."""


@dataclass
class Disk:
    """What Save* effects leave behind; `stored` is what a restarted agent finds."""

    genesis: bytes | None = None
    chain: SaveChain | None = None
    head: SaveChain | None = None
    headers: list[bytes] = field(default_factory=list)
    handoffs: list[Handoff] = field(default_factory=list)
    params: SaveParams | None = None
    account: SaveAccount | None = None
    updates: dict[bytes, PendingUpdate] = field(default_factory=dict)
    fates: dict[bytes, SettleUpdate] = field(default_factory=dict)
    residual: list[tuple[bytes, int]] = field(default_factory=list)
    objects: dict[bytes, bytes] = field(default_factory=dict)
    conflict: str | None = None
    interrupted: Interrupted | None = None

    def save(self, effect: AgentEffect) -> None:
        """Execute one Save*, Settle or Drop effect; others are ignored."""
        if isinstance(effect, SaveObject):
            self.objects[effect.root] = effect.data
            self.genesis = effect.data if effect.kind.name == "GENESIS" else self.genesis
        elif isinstance(effect, DropObject):
            self.objects.pop(effect.root, None)
        elif isinstance(effect, SaveChain):
            self.chain, self.head = effect, effect if effect.head else self.head
            self.headers += effect.linked
        elif isinstance(effect, SaveHandoffs):
            self.handoffs += effect.handoffs
        elif isinstance(effect, SaveParams):
            self.params = effect
        elif isinstance(effect, SaveAccount):
            self.account = effect
        elif isinstance(effect, SaveConflict):
            self.conflict = effect.why
        elif isinstance(effect, SaveCheckpoint):
            self.interrupted = effect.interrupted
        elif isinstance(effect, SaveUpdate):
            self.updates[effect.update.head.update_root] = effect.update
            kept = [part for part in self.residual if part[0] not in effect.consumed]
            self.residual = [*kept, (effect.residue_root, effect.update.head.round)]
        elif isinstance(effect, SettleUpdate):
            self._settle(effect)

    def _settle(self, effect: SettleUpdate) -> None:
        assert effect.update_root not in self.fates, "settled twice"
        self.fates[effect.update_root] = effect
        if effect.fate != Fate.INCLUDED:
            self.residual.append((effect.update_root, effect.round))

    @property
    def stored(self) -> Stored:
        """Everything, as the agent's constructor wants it."""
        pending = tuple(one for root, one in self.updates.items() if root not in self.fates)
        floor = min((one.head.base_height for one in pending), default=0)
        linked = {i + 1: data for i, data in enumerate(self.headers) if i + 1 > floor}
        return Stored(
            genesis=self.genesis,
            tip=self.chain.tip if self.chain else None,
            head=self.head.head if self.head else None,
            signing=self.chain.signing if self.chain else None,
            handoffs=tuple(self.handoffs),
            params=self.params.params if self.params else None,
            account=self.account.proof if self.account else None,
            updates=pending,
            last_round=max((one.head.round for one in self.updates.values()), default=0),
            body_roots={h: Header.decode_linked(data, bytes(32)).body_root for h, data in linked.items()},
            objects=frozenset(self.objects),
            conflict=self.conflict,
            interrupted=self.interrupted,
        )


class PowerCut(Exception):  # noqa: N818
    """The process died between two effects."""


class DeviceWorld:
    """One agent, its disk, and validators that answer from `chain`."""

    def __init__(
        self,
        chain: ChainMaker,
        device: int = 0,
        disk: Disk | None = None,
        limits: Limits | None = None,
        sleep: Sleep = Sleep.NEVER,
    ) -> None:
        """With `limits` the agent has gates and trains when `ConditionsRead` opens them."""
        self.chain = chain
        self.limits = limits
        self.sleep = sleep
        self.online = True
        """The link is wanted."""
        self.signer: Signer = make_signers(device + 1, "device")[device]
        self.identity = Identity(self.signer, chain.chain_id)
        self.disk = disk or Disk()
        self.now_ms = NOW_MS
        self.agent = self.make_agent()
        self.effects: list[AgentEffect] = []
        self.asks: list[Ask] = []
        self.offers: list[UpdateOffer] = []
        self.chunks: list[PublishChunk] = []
        self.states: list[bytes] = []
        self.orders: list[TrainingOrder] = []
        self.filters: set[str] = set()
        self.registered: list[Register] = []
        self.wished: list[OptIn | OptOut] = []
        self.effects_until_crash: int | None = None

    def make_agent(self, seed: bytes = b"s" * 32) -> Agent:
        """An agent that finds what the disk holds."""
        scheduler = None if self.limits is None else Scheduler(self.limits)
        return Agent(self.identity, seed, self.disk.stored, scheduler, self.sleep)

    def restart(self) -> None:
        """kill -9 and start again: only the disk survives."""
        self.effects_until_crash = None
        self.asks, self.chunks = [], []
        self.agent = self.make_agent(b"t" * 32)
        self.online = True
        self.filters.clear()

    @property
    def account(self) -> int | None:
        """The number of the device's account, as validators see it."""
        return self.chain.state.accounts.index_of(self.signer.public_key)

    def phase(self) -> Phase:
        """What the agent is about."""
        return self.agent.phase

    # --- events -------------------------------------------------------------------------------------------

    def tell(self, event: AgentEvent) -> list[AgentEffect]:
        """Hand one event over and execute what comes back."""
        effects = self.agent.handle(event, self.now_ms)
        for effect in effects:
            if self.effects_until_crash is not None:
                if not self.effects_until_crash:
                    raise PowerCut
                self.effects_until_crash -= 1
            self._execute(effect)
        self.effects += effects
        return effects

    def link_up(self) -> list[AgentEffect]:
        """The MQTT server is there."""
        return self.tell(LinkUp("test"))

    def link_lost(self) -> list[AgentEffect]:
        """The MQTT server is gone."""
        return self.tell(LinkLost("test"))

    def pass_ms(self, duration_ms: int) -> list[AgentEffect]:
        """Let time pass; the agent wakes whenever it wants to."""
        end_ms = self.now_ms + duration_ms
        effects: list[AgentEffect] = []
        for _ in range(10_000):
            due_ms = self.agent.deadline()
            if due_ms is None or due_ms > end_ms:
                self.now_ms = end_ms
                return effects
            self.now_ms = max(self.now_ms, due_ms)
            effects += self.tell(Woke())
        raise AssertionError("the agent never sleeps")

    def say(self, message: Say, validator: int = 0) -> list[AgentEffect]:
        """A validator says something."""
        return self.tell(Received(self.say_topic(validator), encode_say(message)))

    def say_topic(self, validator: int = 0) -> str:
        """Where a validator speaks to this device."""
        return self.identity.topics.down_say(self.identity.device, self.validator(validator))

    def validator(self, index: int) -> str:
        """Node id of a validator."""
        return node_id(self.chain.validators.keys[index])

    @property
    def followed(self) -> str:
        """The validator whose chain head is subscribed."""
        (topic,) = [one for one in self.filters if "/chain/head/" in one]
        return topic.rsplit("/", 1)[1]

    def publish_head(self, height: int | None = None) -> list[AgentEffect]:
        """The followed validator publishes its head."""
        block = self.chain.light_block(height)
        return self.tell(Received(self.identity.topics.chain_head(self.followed), block.encode()))

    # --- what validators do -------------------------------------------------------------------------------

    def answer(self, rounds: int = 50) -> None:
        """Answer every question until there are none; registrations are collected in `registered`."""
        for _ in range(rounds):
            if not self.asks:
                return
            asks, self.asks = self.asks, []
            for ask in asks:
                self.answer_one(ask)
        raise AssertionError("the agent never stops asking")

    def answer_one(self, ask: Ask) -> None:
        """The answer of the validator whose turn it is."""
        chain, question = self.chain, ask.question
        validator = chain.validators.responders(ask.nonce)[ask.attempt % chain.validators.count]
        if isinstance(question, SubmitRecord):
            record = question.record
            (self.registered if isinstance(record, Register) else self.wished).append(record)  # type: ignore[arg-type]
        elif isinstance(question, GetHeaders):
            self.say(chain.header_run(question.first, min(question.last, question.first + 24)), validator)
        elif isinstance(question, Wake):
            self.say(awake_of(chain, self.account, question), validator)
        elif isinstance(question, GetChunks):
            self._answer_chunks(question, validator)

    def _answer_chunks(self, question: GetChunks, validator: int) -> None:
        pieces = split(self.chain.objects()[question.kind, question.root])
        wanted = question.wanted.indices() if question.wanted.count else range(min(4, len(pieces)))
        for i in wanted:
            topic = self.identity.topics.down_chunk(
                self.identity.device, self.validator(validator), question.root.hex(), i
            )
            self.tell(Received(topic, Piece(len(pieces), pieces[i]).encode()))

    def register(self) -> None:
        """Put the registrations that came in into a block."""
        record, self.registered = self.registered[0], []
        self.chain.add([record])

    def acknowledge(self) -> None:
        """The MQTT server takes every chunk, and those that follow."""
        while self.chunks:
            self.tell(Acknowledged(self.chunks.pop(0).token, delivered=True))

    def receipt(self, root: bytes, validator: int, reason: Reason | None = None) -> Receipt:
        """A validator's signed word on an update."""
        verdict = ACCEPTED if reason is None else REFUSED
        number = 0 if reason is None else REASONS.index(reason)
        receipt = Receipt(verdict, number, self.chain.height, root)
        return receipt.sign(self.chain.signers[validator], self.chain.chain_id)

    def give_receipts(self, root: bytes, validators: Iterable[int], reason: Reason | None = None) -> None:
        """Several validators' word."""
        for validator in validators:
            self.say(self.receipt(root, validator, reason), validator)

    def miss(self, missing: MissingChunks, validator: int = 0) -> list[AgentEffect]:
        """A validator lacks chunks."""
        return self.say(missing, validator)

    # --- what the trainer does ----------------------------------------------------------------------------

    def finish_training(self, seed: int = 0, **changes: object) -> bytes:
        """The trainer finishes the last order; returns the update root."""
        order = self.orders[-1]
        body = make_body(self.chain.genesis.manifest, seed=seed + order.round).encode()
        root = update_root_of(self.signer.public_key, order.round, body)
        residue_root = b"residue of round" + order.round.to_bytes(16, "big")
        self.disk.objects[root], self.disk.objects[residue_root] = body, b""
        self.chain.update_bodies[root] = body
        oldest = order.residual_round_min
        finished = TrainingFinished(
            round=order.round,
            update_root=root,
            size_bytes=len(body),
            chunk_hashes=tuple(chunk_hash(piece) for piece in split(body)),
            residue_root=residue_root,
            consumed=tuple(part for part, freed in self.disk.residual if freed >= oldest),
            samples=40,
            steps=steps_asked(order.params, 40),
            loss_before_micro=2_000_000,
            loss_after_micro=1_000_000,
        )
        self.tell(replace(finished, **changes))  # type: ignore[arg-type]
        return root

    # --- the way to a certain point -----------------------------------------------------------------------

    def join(self) -> DeviceWorld:
        """Genesis, graph, account: up to the first order to train."""
        self.link_up()
        self.answer()
        if self.registered:
            self.register()
        if self.chain.height:
            self.publish_head()
        self.answer()
        assert self.orders, self.phase()
        return self

    def _execute(self, effect: AgentEffect) -> None:
        self.disk.save(effect)
        if isinstance(effect, Publish):
            self._published(effect)
        elif isinstance(effect, PublishChunk):
            assert effect.root in self.disk.objects
            self.chunks.append(effect)
        elif isinstance(effect, Subscribe):
            self.filters |= set(effect.filters)
        elif isinstance(effect, Unsubscribe):
            self.filters -= set(effect.filters)
        elif isinstance(effect, StartTraining):
            self.orders.append(effect.order)
        elif isinstance(effect, GoOffline | GoOnline):
            assert self.online == isinstance(effect, GoOffline), "it is so already"
            self.online = not self.online

    def _published(self, message: Publish) -> None:
        levels = self.identity.topics.split(message.topic)
        assert levels is not None
        assert levels[:2] == ["up", self.identity.device]
        if levels[2] == "ask":
            self.asks.append(Ask.decode(message.payload))
        elif levels[2] == "head":
            self.offers.append(UpdateOffer.decode(message.payload))
        else:
            assert levels[2] == "state"
            assert message.retain
            self.states.append(message.payload)
