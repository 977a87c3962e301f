"""One validator as a machine: consensus, ledger, pool, device desk and peers, wired together.

    MQTT message ─► desk (devices) ─┐
                 ─► peers (blocks) ─┼─► due? ─► consensus ─► build / check / finalise ─► effects
                 ─► consensus ──────┘

Persist effects stand before the messages that depend on them in the returned list; that order is the safety
rule (`edge_client.protocol.machine`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from broker.core.accuser import Accuser
from broker.core.archive import Archive
from broker.core.consensus import events as on
from broker.core.consensus.log_entries import decode_log, encode_entry, place_of
from broker.core.council import Council, Spoken
from broker.core.devices import Desk, RefusedUpdateError
from broker.core.effects import (
    AppendLog,
    EndRejoin,
    InstallCheckpoint,
    LogGap,
    Stored,
    StoreFinal,
    ValidatorPersist,
)
from broker.core.guard import LISTEN_FIRST, Guard, Phase, Standing
from broker.core.identity import Identity
from broker.core.ledger import Clock, Ledger, Tip, stored_tip
from broker.core.nonces import Nonces
from broker.core.peer_desk import PeerDesk
from broker.core.peers import Outcome, Peers
from broker.core.pool import Pool
from broker.core.proposer import Proposer
from broker.core.seating import Seated, Seating, seat_text
from edge_client.protocol.checkpoint import Checkpoint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.machine import (
    Acknowledged,
    LinkLost,
    LinkUp,
    Note,
    Publish,
    Received,
    Refused,
    SharedEffect,
    Subscribe,
    Woke,
)
from edge_client.protocol.messages import (
    Ask,
    Handoffs,
    Recall,
    ValidatorMessage,
    decode_validator_say,
    encode_validator_say,
)
from edge_client.protocol.topics import hash_level, index_level, node_level
from edge_client.protocol.votes import Certificate, Finality, Proposal, Snapshot, Vote

ValidatorEvent = LinkUp | LinkLost | Received | Acknowledged | Woke
ValidatorEffect = SharedEffect | ValidatorPersist | EndRejoin | LogGap | on.Evidence | on.Diverged
MQTT_SERVER = "mqtt-server"
"""The sender of what no node can send through an honest MQTT server."""


@dataclass(frozen=True, slots=True)
class ValidatorSetup:
    """What a validator is started with; `nonce_seed` is fresh randomness of this start."""

    identity: Identity
    clock: Clock
    timing: on.Timing
    nonce_seed: bytes
    standing: Standing = LISTEN_FIRST


class Validator:
    """The machine; `archive` finds what its own Persist effects have written."""

    def __init__(self, setup: ValidatorSetup, archive: Archive, stored: Stored) -> None:
        self._identity = setup.identity
        self._rules = setup.identity.rules
        self._ledger = Ledger(self._rules, archive, stored_tip(self._rules, stored.head))
        self._pool = Pool(self._rules)
        self._guard = Guard(setup.standing, setup.clock, stored.sign_above)
        self._link: LinkUp | None = None
        self._seating = Seating(self._identity, archive, self._ledger)
        gate = self._guard.may_sign
        self._council = Council(self._identity, self._seating, self._ledger, setup.timing, gate)
        nonces = Nonces(setup.nonce_seed)
        self._accuser = Accuser(self._identity, self._ledger, self._pool, nonces)
        self._desk = Desk.of(self._identity, self._seating, archive, self._ledger, self._pool)
        self._peers = Peers(self._seating, archive, self._ledger, setup.clock, nonces)
        self._peer_desk = PeerDesk(self._identity, self._seating, archive, self._accuser)
        self._certificate = stored.head.certificate if stored.head else None
        self._light: LightBlock | None = None
        self._council.restore(self._certificate, decode_log(stored.log)[0])
        self._proposer = Proposer(self._seating, self._ledger, self._pool, setup.clock)
        self._is_started = False
        self._effects: list[ValidatorEffect] = []
        self._only_answered = False
        """The event was a device's question and changed nothing: then there is no work either."""
        self._restore_pool(stored)
        if stored.head is not None and self._certificate is not None:
            self._light = self._light_block(stored.head.header, self._certificate)
            self._desk.wakings.new_head(self._light)
        self._due_ms = self._earliest()

    def _restore_pool(self, stored: Stored) -> None:
        for offer in stored.offers:
            self._pool.add_update(offer.head)
        self._pool.settle(self._ledger.head)
        self._accuser.restore(stored.evidence)

    @property
    def head(self) -> Tip:
        """The finalised head."""
        return self._ledger.head

    @property
    def seated(self) -> Seated:
        """The set that decides the next block, and the own seat in it."""
        return self._seating.now

    # --- machine contract ---------------------------------------------------------------------------------

    def handle(self, event: ValidatorEvent, now_ms: int) -> list[ValidatorEffect]:
        """Take one event; see the module's picture."""
        self._ledger.forget_fresh()
        self._only_answered, changes = isinstance(event, Acknowledged), self._pool.changes_count
        match event:
            case Received(topic, payload):
                self._receive(topic, payload, now_ms)
            case LinkUp():
                self._link_up(event, now_ms)
            case LinkLost():
                self._guard.link_lost()
                self._feed(event, now_ms)
            case Woke():
                self._feed(event, now_ms)
                self._effects += self._desk.reminders(now_ms)
        has_news = not self._only_answered or self._pool.changes_count != changes
        if has_news or (self._due_ms is not None and self._due_ms <= now_ms):
            self._settle_guard(now_ms)
            self._work(now_ms)
            self._due_ms = self._earliest()
        effects, self._effects = self._effects, []
        return effects

    def deadline(self) -> int | None:
        """The earliest deadline of any part, as of the last event that was more than a question."""
        return self._due_ms

    def _earliest(self) -> int | None:
        parts = (self._council, self._desk.ingest, self._peers, self._proposer, self._accuser, self._guard)
        return min((at for one in parts if (at := one.deadline()) is not None), default=None)

    def _link_up(self, event: LinkUp, now_ms: int) -> None:
        if not self._is_started:
            self._is_started = True
            self._effects.append(Subscribe(self._identity.topics.validator_filters()))
        self._peers.catch_up.probe()
        self._accuser.hurry()
        self._publish_head()
        self._link = event
        self._guard.link_up(now_ms)
        if self._guard.phase is not Phase.LISTENING:
            self._feed(event, now_ms)

    def _settle_guard(self, now_ms: int) -> None:
        """Consensus hears of the link when listening is over: until then our retained snapshot must stay, and
        the others are asked what we signed."""
        before, head = self._guard.phase, self._ledger.head
        slot = max(head.slot, self._certificate.subject.slot if self._certificate else 0)
        self._effects += self._guard.settle(head.height, head.time_s, slot, now_ms)
        if self._guard.phase is not before and self._link is not None:
            self._effects.append(Note("phase", {"phase": self._guard.phase.value}))
            self._feed(self._link, now_ms)
        if self._guard.asks(now_ms) and self._seating.now.own_index is not None:
            self._say(Recall(self._seating.now.epoch, self._ledger.head.slot))

    def _work(self, now_ms: int) -> None:
        """Everything that may have become possible: check blocks, see whether one is due, build it, ask."""
        while True:
            outcome = self._step_peers(now_ms)
            self._effects += outcome.stores
            self._effects += outcome.refused
            finals = [one for one in outcome.stores if isinstance(one, StoreFinal)]
            self._after_finals(finals)
            for one in outcome.stores:
                if isinstance(one, InstallCheckpoint):
                    self._after_jump(one)
            if self._council.is_over:
                self._begin_epoch(now_ms)
            for answer in outcome.answers:
                self._feed(answer, now_ms)
            if not outcome.answers and not finals:
                break
        self._propose(now_ms)
        self._peers.catch_up.watch(self._council.is_restless, now_ms)
        self._ask_peers([*self._peers.due(now_ms), *self._accuser.due(now_ms)])

    def _step_peers(self, now_ms: int) -> Outcome:
        try:
            return self._peers.step(self._council.slot, now_ms)
        except ProtocolError as error:
            self._effects.append(on.Diverged(error.detail))
            return Outcome()

    # --- messages -----------------------------------------------------------------------------------------

    def _receive(self, topic: str, payload: bytes, now_ms: int) -> None:
        levels = self._identity.topics.split(topic)
        if levels is None:
            self._effects.append(Refused(Reason.WRONG_CHAIN, MQTT_SERVER, f"topic {topic}"))
            return
        sender = MQTT_SERVER
        try:
            sender = node_level(levels[1] if len(levels) > 1 else "")
            if levels[0] == "up":
                self._effects += self._from_device(levels[1:], payload, now_ms)
            else:
                self._from_validator(levels[1:], payload, now_ms)
        except RefusedUpdateError as error:
            self._effects += [Refused(error.reason, sender, error.detail), *error.answer]
        except ProtocolError as error:
            self._effects.append(Refused(error.reason, sender, error.detail))

    def _from_device(self, levels: list[str], payload: bytes, now_ms: int) -> Iterable[ValidatorEffect]:
        if not self._desk.is_open:
            return []
        match levels:
            case [device, "head", root]:
                return self._desk.offer(device, root, payload, now_ms)
            case [device, "chunk", root, index]:
                return self._desk.chunk(device, hash_level(root), index_level(index), payload, now_ms)
            case [device, "ask"]:
                effects = [*self._accuser.follow(self._desk.ask(device, payload, now_ms), now_ms)]
                self._only_answered = all(isinstance(one, Publish) for one in effects)
                return effects
            case _:
                raise DecodeError(f"topic up/{'/'.join(levels)}")

    def _from_validator(self, levels: list[str], payload: bytes, now_ms: int) -> None:
        sender, what = levels[0], levels[1:]
        if sender == self._identity.name and what not in (["snap"], ["say"]):
            return
        match what:
            case ["say"]:
                message = decode_validator_say(payload)
                if isinstance(message, HeaderRun):
                    self._peers.header_run(message, sender, now_ms)
                elif isinstance(message, Checkpoint):
                    self._peers.checkpoint(message, sender, now_ms)
                elif isinstance(message, Handoffs):
                    self._peers.handoffs(message, now_ms)
                elif isinstance(message, Recall):
                    self._recall(sender, message, now_ms)
                else:
                    self._hear(sender, message, now_ms)
            case ["snap"]:
                self._hear(sender, Snapshot.decode(payload), now_ms)
            case ["ask"]:
                self._effects += self._peer_desk.ask(sender, payload, now_ms)
            case ["chunk", root, index]:
                place = hash_level(root), index_level(index)
                if self._seating.now.index_of(sender) is not None or place[0] in self._peers.fetcher:
                    self._ask_peers(self._peers.piece(sender, *place, payload, now_ms))
            case _:
                raise DecodeError(f"topic val/{'/'.join(levels)}")

    def _hear(self, sender: str, message: Spoken, now_ms: int) -> None:
        """A message of another epoch is no fault: one of the two is behind."""
        if self._council.is_ahead(message):
            self._peers.catch_up.probe()
        event = self._council.event_of(sender, message)
        if event is not None:
            self._feed(event, now_ms)

    def _recall(self, sender: str, recall: Recall, now_ms: int) -> None:
        """A validator asks what it signed."""
        self._peer_desk.count(sender, now_ms)
        for signed in self._council.signed_by(sender, recall):
            self._say(signed)

    def _ask_peers(self, asks: Iterable[Ask]) -> None:
        topic = self._identity.topics.validator_ask(self._identity.name)
        self._effects += [Publish(topic, ask.encode()) for ask in asks]

    def _say(self, message: ValidatorMessage) -> None:
        topic = self._identity.topics.validator_say(self._identity.name)
        self._effects.append(Publish(topic, encode_validator_say(message)))

    # --- consensus ----------------------------------------------------------------------------------------

    def _feed(self, event: on.Event, now_ms: int) -> None:
        """Give an event to consensus and do what it asks."""
        for effect in self._council.handle(event, now_ms):
            self._obey(effect, now_ms)
        if self._council.is_over:
            self._begin_epoch(now_ms)

    def _begin_epoch(self, now_ms: int) -> None:
        """After everything that the last instance asked for: what it said last still helps stragglers."""
        self._peers.begin_epoch()
        effects, seated = self._council.begin(self._certificate, now_ms), self._seating.now
        self._effects.append(Note("epoch", {"epoch": seated.epoch, "seat": seat_text(seated)}))
        for effect in effects:
            self._obey(effect, now_ms)

    def _obey(self, effect: on.Effect, now_ms: int) -> None:
        match effect:
            case on.Persist(entry):
                self._effects.append(AppendLog(*place_of(entry), encode_entry(entry)))
            case on.Broadcast(message):
                if isinstance(message, Proposal):
                    fields = {"height": message.header.height, "slot": message.slot}
                    self._effects.append(Note("proposed", dict(fields)))
                    self._effects += self._peer_desk.push(self._ledger, message.header)
                self._say(message)
            case on.PublishSnapshot(snapshot):
                topic = self._identity.topics.snapshot(self._identity.name)
                self._effects.append(Publish(topic, snapshot.encode(), retain=True))
            case on.BuildBlock():
                self._proposer.ask(effect)
            case on.CheckBlock():
                self._peers.check_block(effect)
            case on.FetchBlock():
                self._peers.fetch_block(effect)
            case on.Decided(certificate, hashes):
                self._decide(certificate, hashes)
            case on.Forgotten(signed):
                self._doubt(signed)
            case on.Evidence(offender, _, second):
                if offender == self._seating.now.own_index:
                    self._doubt(second)
                self._effects += [effect, *self._accuser.accuse(effect, now_ms)]
            case on.Diverged() | Refused():
                self._effects.append(effect)

    def _doubt(self, signed: Vote | Proposal) -> None:
        """Our key signed this, our log does not know it."""
        if self._guard.is_gap(signed.slot):
            self._effects.append(LogGap(signed))

    def _propose(self, now_ms: int) -> None:
        """Tell consensus that a block is due, and build the one it asked for."""
        if self._proposer.becomes_due(now_ms):
            self._effects.append(Note("due", {"round": self._ledger.head.state.learning.round}))
            self._feed(on.RoundDue(due=True), now_ms)
        built = self._proposer.build(now_ms)
        if built is not None:
            candidate, asked = built
            self._effects.append(self._ledger.stored(candidate))
            seals = candidate.tip.state.seats.is_sealed
            self._feed(on.BlockBuilt(candidate.header, asked.justification, seals), now_ms)

    def _decide(self, certificate: Certificate, hashes: tuple[bytes, ...]) -> None:
        """Finalise what catching up has not finalised already."""
        new_count = max(0, certificate.subject.height - self._ledger.head.height)
        finals = [
            self._ledger.finalise(block_hash, certificate if block_hash == hashes[-1] else None)
            for block_hash in hashes[len(hashes) - new_count :]
        ]
        self._effects += finals
        self._after_finals(finals)

    def _after_finals(self, finals: list[StoreFinal]) -> None:
        if not finals:
            return
        self._proposer.settle()
        included = {root for final in finals for root, _ in final.inclusions}
        self._effects += self._desk.settle(included)
        self._effects += self._accuser.settle()
        self._peers.settle()
        for final in finals:
            learning = final.state.learning
            fields = {
                "height": final.header.height,
                "round": learning.round,
                "updates": len(final.inclusions),
            }
            self._effects.append(Note("block_final", {**fields, "accounts": len(final.state.accounts)}))
        last = finals[-1]
        if last.certificate is not None:
            self._new_light(last.header, last.certificate)

    def _new_light(self, header: Header, certificate: Certificate) -> None:
        self._certificate = certificate
        self._light = self._light_block(header, certificate)
        self._desk.wakings.new_head(self._light)
        self._publish_head()

    def _after_jump(self, installed: InstallCheckpoint) -> None:
        """Nothing is said about updates that went by meanwhile: they may stand in blocks passed over."""
        self._proposer.settle()
        self._desk.jumped()
        self._peers.settle()
        learning = installed.state.learning
        fields = {"height": installed.header.height, "round": learning.round}
        self._effects.append(Note("checkpoint_installed", dict(fields)))
        if installed.certificate is not None:
            self._new_light(installed.header, installed.certificate)

    def _light_block(self, header: Header, certificate: Certificate) -> LightBlock:
        state = self._ledger.head.state
        finality = Finality.of(certificate).lowest(state.seats.validators.quorum)
        return LightBlock(header, finality, state.app_leaves(), state.state_leaves(), state.learning)

    def _publish_head(self) -> None:
        """Also by who lost its seat with this very block: devices that follow it learn where it ends."""
        seats, key = self._ledger.head.state.seats, self._identity.signer.public_key
        if self._light is not None and seats.holds_seat(key):
            topic = self._identity.topics.chain_head(self._identity.name)
            self._effects.append(Publish(topic, self._light.encode(), retain=True))
