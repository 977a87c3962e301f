"""The agent: one machine from a join string to finished updates.

    JOINING ─ genesis, graph ─► SYNCING ─ headers ─► REGISTERING ─ account ─► WAITING ◄─► TRAINING
                                                                                 ▲          │  ▲ gates
                                                                                 └─ SENDING ◄┘  ▼
                                                                                              PAUSED
    any ─ two final histories ─► HALTED;   any ─ slept too long ─► NEED_CHECKPOINT
    any but TRAINING ─ nothing to say for a while ─► SLEEPING: the radio is off (`bursts.py`)

A phase is what `PHASES` reads off the parts, never a variable of its own, so it cannot contradict them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from edge_client.core.bursts import Bursts, Errand, Plan, Sleep
from edge_client.core.conditions.scheduler import UNREAD, Scheduler
from edge_client.core.draws import Draws
from edge_client.core.errands import Errands
from edge_client.core.events import (
    AgentEffect,
    AgentEvent,
    ConditionsRead,
    GoOffline,
    GoOnline,
    Halt,
    ModelMeasured,
    PublishChunk,
    SaveConflict,
    SaveMeasure,
    SaveObject,
    Stopping,
    StopTraining,
    TrainingFailed,
    TrainingFinished,
    TrainingPaused,
    Trusts,
    Wished,
)
from edge_client.core.identity import Identity
from edge_client.core.participant import Effects, Participant
from edge_client.core.silence import Silence
from edge_client.core.stored import Stored
from edge_client.core.sync import ConflictError
from edge_client.core.timing import earliest
from edge_client.protocol.attack import FinalHeader, LightAttack
from edge_client.protocol.chunks import CHUNKS_MAX, ObjectKind
from edge_client.protocol.consent import Wish
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.fetch import Fetcher
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.light import LightBlock
from edge_client.protocol.machine import (
    Acknowledged,
    LinkLost,
    LinkUp,
    Note,
    Publish,
    Received,
    Refused,
    Subscribe,
)
from edge_client.protocol.messages import Ask

GENESIS_BYTES_MAX = 1 << 20
TOPIC_CHARS_SHOWN = 80


class Phase(str, Enum):
    """What the agent is about."""

    HALTED = "halted"
    SLEEPING = "sleeping"
    JOINING = "joining"
    NEED_CHECKPOINT = "need-checkpoint"
    SYNCING = "syncing"
    REGISTERING = "registering"
    TRAINING = "training"
    SENDING = "sending"
    PAUSED = "paused"
    WAITING = "waiting"


PHASES: tuple[tuple[Phase, Callable[[Participant], bool]], ...] = (
    (Phase.TRAINING, lambda device: device.rounds.training),
    (Phase.NEED_CHECKPOINT, lambda device: device.sync.needs_checkpoint),
    (Phase.JOINING, lambda device: not device.materials.graph_here),
    (Phase.SYNCING, lambda device: not device.sync.synced),
    (Phase.REGISTERING, lambda device: device.membership.proof is None),
    (Phase.SENDING, lambda device: device.outbox.sending),
    (Phase.PAUSED, lambda device: device.rounds.running is not None),
    (Phase.WAITING, lambda _device: True),
)
"""The first that holds is the phase."""

READY, TRAINING, SLEEPING, LOST = b"ready", b"training", b"sleeping", b"lost"
"""What the retained state topic says; `LOST` is the last will."""


class Agent:
    """A device on one chain, as a machine. `seed` (32 bytes) must be new at every start."""

    def __init__(
        self,
        identity: Identity,
        seed: bytes,
        stored: Stored,
        scheduler: Scheduler | None = None,
        sleep: Sleep = Sleep.NEVER,
    ) -> None:
        """Without a scheduler the device trains whatever its board reads."""
        self._scheduler = scheduler
        self._identity = identity
        self._topics = identity.topics
        self._draws = Draws(seed)
        self._stored = stored
        self._genesis = Fetcher(self._draws.nonce)
        self._bursts = Bursts(sleep, self._draws.chance)
        self._errands: Errands | None = None
        self._started = False
        self._stopping = False
        self._linked = False
        self._announced: bytes | None = None
        self._halted = stored.conflict
        self._wish: Wish | None = None
        self.silence = Silence()
        self.participant: Participant | None = None
        if stored.genesis is not None:
            self._join(Genesis.decode(stored.genesis))
        else:
            self._genesis.want(ObjectKind.GENESIS, identity.chain_id, GENESIS_BYTES_MAX, self._is_genesis)

    @property
    def phase(self) -> Phase:
        """See `PHASES`."""
        if self._halted is not None:
            return Phase.HALTED
        device = self.participant
        training = device is not None and device.rounds.training
        if self._bursts.plan is not None and not training:
            return Phase.SLEEPING
        if device is None:
            return Phase.JOINING
        return next(phase for phase, holds in PHASES if holds(device))

    @property
    def needs_word(self) -> bool:
        """Whether the phase is `NEED_CHECKPOINT`; asked at every turn, so what is seldom true comes first."""
        device = self.participant
        return device is not None and device.sync.needs_checkpoint and self.phase == Phase.NEED_CHECKPOINT

    @property
    def plan(self) -> Plan | None:
        """Until when the radio is off, and why; None while it may be on."""
        return self._bursts.plan

    def handle(self, event: AgentEvent, now_ms: int) -> list[AgentEffect]:
        """Take one event; see `Machine`."""
        if self._halted is not None:
            return []
        if isinstance(event, Stopping):
            self._stopping = True
            paused = [] if self.participant is None else self.participant.pause()
            return [*paused, self._state(SLEEPING)]
        effects: Effects = []
        if not self._started:
            self._started = True
            effects.append(Subscribe(self._topics.device_filters(self._identity.device)))
        try:
            effects += self._take(event, now_ms)
        except ConflictError as conflict:
            return [*effects, *self._halt(str(conflict), event)]
        if self._stopping or self._is_half_fetched(event):  # when stopping, only what is still said is kept
            return effects
        effects += [*self._online(now_ms), *self._advance(now_ms)]
        if self._bursts.plan is not None:  # said in the next burst, if it is still to be said
            effects = [one for one in effects if not isinstance(one, Publish | PublishChunk)]
            return [*effects, *self._online(now_ms)]  # for what has just begun
        return [*effects, *self._offline(now_ms)]

    def deadline(self) -> int | None:
        """When `Woke` should come at the latest; see `Machine`."""
        if self._halted is not None:
            return None
        if not self._linked:
            return self._bursts.deadline()
        device = self._genesis if self.participant is None else self.participant
        return earliest(device.deadline(), self._bursts.deadline())

    # --- events -------------------------------------------------------------------------------------------

    def _take(self, event: AgentEvent, now_ms: int) -> Effects:
        device = self.participant
        if isinstance(event, Received):
            self._bursts.heard(now_ms)
            return self._received(event, now_ms)
        if isinstance(event, LinkUp | LinkLost):
            if self._bursts.plan is None:  # else it was under way when the device fell asleep
                self._link(isinstance(event, LinkUp), now_ms)
        elif isinstance(event, Wished):
            self._wish = event.wish
            self._bursts.hasten()
            if device is not None:
                device.candidacy.wish(event.wish)
        elif isinstance(event, ModelMeasured):
            return [SaveMeasure(event)]
        elif isinstance(event, ConditionsRead):
            return self._read(event, now_ms)
        elif device is None:
            return []
        elif isinstance(event, Acknowledged):
            self._bursts.heard(now_ms)
            device.acknowledged(event)
        elif isinstance(event, Trusts):
            device.sync.trust(event.checkpoint)
            self._bursts.hasten()
        elif isinstance(event, TrainingFinished):
            return device.trained(event, now_ms)
        elif isinstance(event, TrainingFailed):
            return device.not_trained(event, now_ms)
        elif isinstance(event, TrainingPaused):
            return device.training_paused(event)
        return []

    def _link(self, is_up: bool, now_ms: int) -> None:
        self._linked, self._announced = is_up, None
        device = self.participant
        if is_up:
            self._bursts.link_up(now_ms)
            if device is not None:
                device.link_up(now_ms)
        else:
            self._bursts.link_lost(now_ms)
            self.silence.link_lost()
            if device is not None:
                device.link_lost()

    def _read(self, event: ConditionsRead, now_ms: int) -> Effects:
        """The gates are asked from the first look on, whether or not the chain is known yet."""
        device = self.participant
        training = device is not None and device.rounds.training
        self._bursts.read(event.conditions)
        if self._scheduler is None:
            return []
        before = self._scheduler.closed
        self._scheduler.read(event.conditions, training, now_ms)
        closed = self._scheduler.closed
        nothing_new = closed == before or (not closed and before == UNREAD)
        notes: Effects = [] if nothing_new else [Note("gates", {"closed": ", ".join(closed) or "none"})]
        if device is None or self._scheduler.is_open(now_ms):
            return notes
        return [*notes, *device.pause()]

    def _received(self, message: Received, now_ms: int) -> Effects:
        """Route by topic; whatever a peer did wrong ends here, as a value."""
        levels = self._topics.split(message.topic)
        if levels is None:
            return [Refused(Reason.WRONG_CHAIN, "unknown", message.topic[:TOPIC_CHARS_SHOWN])]
        try:
            return self._route(levels, message.payload, now_ms)
        except ProtocolError as error:
            return [Refused(error.reason, _sender(levels), error.detail)]

    def _route(self, levels: list[str], payload: bytes, now_ms: int) -> Effects:
        device = self.participant
        if levels[:2] == ["chain", "head"] and len(levels) == 3:
            return [] if device is None else device.chain_head(levels[2], payload, now_ms)
        if levels[:1] != ["down"] or len(levels) < 4:
            raise ProtocolError(Reason.MALFORMED, "a topic that devices do not hear")
        if levels[1] != self._identity.device:
            raise ProtocolError(Reason.WRONG_SENDER, "meant for another device")
        return [*self.silence.answered(), *self._answered(levels, payload, now_ms)]

    def _answered(self, levels: list[str], payload: bytes, now_ms: int) -> Effects:
        """What came below this device's own topic: validators' words and pieces of objects."""
        device, validator = self.participant, levels[2]
        if levels[3:] == ["say"]:
            return [] if device is None else device.said(validator, payload, now_ms)
        if levels[3] != "chunk" or len(levels) != 6:
            raise ProtocolError(Reason.MALFORMED, "a topic that devices do not hear")
        root, index = _chunk_name(levels[4], levels[5])
        if device is not None:
            return device.piece(validator, root, index, payload, now_ms)
        return self._genesis_piece(validator, (root, index), payload, now_ms)

    # --- joining ------------------------------------------------------------------------------------------

    def _is_genesis(self, data: bytes) -> bool:
        try:
            return Genesis.decode(data).chain_id() == self._identity.chain_id
        except DecodeError:
            return False

    def _genesis_piece(self, validator: str, name: tuple[bytes, int], payload: bytes, now_ms: int) -> Effects:
        root, index = name
        if root not in self._genesis:
            return []
        fetched, asks = self._genesis.piece(validator, root, index, payload, now_ms)
        if fetched is None:
            return [self._identity.ask(ask) for ask in asks]
        device = self._join(Genesis.decode(fetched.data))
        if self._linked:
            device.link_up(now_ms)
        return [SaveObject(ObjectKind.GENESIS, root, fetched.data), Note("joined", {"chain": root.hex()})]

    def _join(self, genesis: Genesis) -> Participant:
        self.participant = Participant(self._identity, genesis, self._draws, self._stored, self._scheduler)
        self.participant.candidacy.wish(self._wish)
        self._errands = Errands(self._draws, genesis.t0_s, self._identity.trusting_ms)
        return self.participant

    # --- after every event --------------------------------------------------------------------------------

    def _is_half_fetched(self, event: AgentEvent) -> bool:
        """A piece of an object that is not whole yet changes nothing but its fetch, and is most of what a
        device hears: it pays not to look at everything else each time."""
        if self.participant is None or self._bursts.plan is not None or not isinstance(event, Received):
            return False
        levels = event.topic.rsplit("/", 3)
        return levels[1:2] == ["chunk"] and self.participant.materials.fetches(levels[2])

    def _errand(self, now_ms: int) -> Errand:
        device, errands = self.participant, self._errands
        if device is None or errands is None:
            return Errand("the device joins", now_ms, "", 0, False)
        if self._linked:
            errands.linked(now_ms)
        return errands.errand(device, self._scheduler, now_ms)

    def _online(self, now_ms: int) -> Effects:
        """Connect, if the device sleeps and it is time; nothing new begins on what was known before."""
        if self._bursts.plan is None or not self._bursts.advance(self._errand(now_ms), now_ms):
            return []
        if self.participant is not None:
            self.participant.sync.stale()
        return [GoOnline(), Note("awake", {})]

    def _offline(self, now_ms: int) -> Effects:
        """Say goodbye, if there is nothing to say for a while; what was to be sent is sent before."""
        opens_ms = None if self._scheduler is None else self._scheduler.opens_ms
        if not self._bursts.wants_sleep and not self._bursts.may_rest(opens_ms, now_ms):
            return []
        self._bursts.advance(self._errand(now_ms), now_ms)
        plan = self._bursts.plan
        if plan is None:
            return []
        goodbye = [self._state(SLEEPING)] if self._linked else []
        self._link(False, now_ms)
        return [*goodbye, GoOffline(), Note("asleep", {"until_ms": plan.until_ms, "because": plan.because})]

    def _advance(self, now_ms: int) -> Effects:
        device = self.participant
        if device is not None:
            effects = device.advance(now_ms)
        elif self._linked:
            effects = [self._identity.ask(ask) for ask in self._genesis.due(now_ms)]
        else:
            effects = []
        asking = self._linked and (device is None or device.membership.waking)
        height = 0 if device is None else device.head.height
        return [*effects, *self.silence.watch(asking, height, now_ms), *self._announce()]

    def _announce(self) -> Effects:
        state = TRAINING if self.participant and self.participant.rounds.training else READY
        if not self._linked or state == self._announced:
            return []
        self._announced = state
        return [self._state(state)]

    def _state(self, state: bytes) -> Publish:
        return Publish(self._topics.up_state(self._identity.device), state, retain=True)

    def _stop_training(self) -> list[StopTraining]:
        running = self.participant.rounds.running if self.participant else None
        return [StopTraining(running.round)] if running else []

    def _halt(self, why: str, event: AgentEvent) -> Effects:
        """Keep what we have, and the evidence; the owner must decide."""
        self._halted = why
        attack = self._attack(event)
        evidence = event.payload if isinstance(event, Received) else b""
        saved = SaveConflict(why, evidence if attack is None else attack.encode())
        report = [] if attack is None else [self._identity.ask(Ask(self._draws.nonce(), 0, attack))]
        return [saved, *self._stop_training(), *report, Note("halted", {"why": why}), Halt(why)]

    def _attack(self, event: AgentEvent) -> LightAttack | None:
        """The two final heads, when it was a light block that contradicted ours."""
        own = None if self.participant is None else self.participant.head.block
        if own is None or not isinstance(event, Received):
            return None
        try:
            other = LightBlock.decode(event.payload)
        except DecodeError:
            return None
        common = min(own.header.height, other.header.height) - 1
        return LightAttack.of(common, FinalHeader.of(own), FinalHeader.of(other))


def _sender(levels: list[str]) -> str:
    """The validator a message claims to be from."""
    return levels[2] if len(levels) > 2 else "unknown"


def _chunk_name(root: str, index: str) -> tuple[bytes, int]:
    """Root and index of a chunk topic; raises `ProtocolError`."""
    well_formed = len(root) == 2 * HASH_BYTES and index.isascii() and index.isdecimal() and len(index) <= 5
    try:
        name = bytes.fromhex(root) if well_formed else b""
    except ValueError:
        name = b""
    if len(name) != HASH_BYTES or int(index) >= CHUNKS_MAX:
        raise ProtocolError(Reason.MALFORMED, "not a chunk topic")
    return name, int(index)
