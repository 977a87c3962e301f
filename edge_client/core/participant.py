"""A device that knows its chain: follows it, has an account, trains and sends.

Nothing here reacts in long chains. An event only changes one part; `advance`, which runs after each event,
starts whatever is possible and not yet under way. So any order of events, losses and restarts leads on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from edge_client.core.anchors import Anchors
from edge_client.core.candidacy import Candidacy
from edge_client.core.conditions.prediction import NOT_COUNTED, Spent
from edge_client.core.conditions.scheduler import Scheduler
from edge_client.core.draws import Draws
from edge_client.core.events import (
    AgentEffect,
    DropObject,
    PauseTraining,
    SaveAccount,
    SaveChain,
    SaveCheckpoint,
    SaveGivenUp,
    SaveHandoffs,
    SaveUpdate,
    StartTraining,
    StopTraining,
    TrainingFailed,
    TrainingFinished,
    TrainingPaused,
)
from edge_client.core.freshness import Freshness, Heard
from edge_client.core.identity import Identity
from edge_client.core.light_client import Advanced, HandedOver, Progress
from edge_client.core.materials import Materials
from edge_client.core.membership import Membership
from edge_client.core.outbox import Outbox
from edge_client.core.rounds import Rounds
from edge_client.core.spending import entered
from edge_client.core.stored import Stored
from edge_client.core.sync import Sync
from edge_client.core.timing import earliest
from edge_client.core.trusted import TrustedHead
from edge_client.core.waking import Awoken, Known, Placed, awoken
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import HeaderRun
from edge_client.protocol.machine import Acknowledged, Note, Publish, Refused
from edge_client.protocol.messages import Handoffs, MissingChunks, Receipt, decode_say
from edge_client.protocol.vouched import Vouched
from edge_client.protocol.wake import Awake, BareHead, Fresh, Wake

Effects: TypeAlias = list[AgentEffect]


class Participant:
    """Everything an agent does once it has genesis."""

    def __init__(
        self,
        identity: Identity,
        genesis: Genesis,
        draws: Draws,
        stored: Stored,
        scheduler: Scheduler | None = None,
    ) -> None:
        """Without a scheduler it trains whenever the chain lets it."""
        self._scheduler = scheduler
        self._identity = identity
        self._genesis = genesis
        self._draws = draws
        self._linked = False
        self.sync = Sync(identity, genesis, draws, stored)
        self.materials = Materials(identity, genesis, draws, stored)
        self.membership = Membership(identity, draws, genesis.validators.count, stored.account)
        self.outbox = Outbox(identity, genesis.validators.faulty_max)
        self.freshness = Freshness(genesis.validators.faulty_max + 1)
        self.rounds = Rounds(identity, draws, stored.last_round, stored.interrupted)
        self.candidacy = Candidacy(identity, draws)
        self._anchors = Anchors(self.sync.head, stored.body_roots)
        self._round = self.sync.head.learning.round
        for update in stored.updates:
            self.outbox.restore(update)

    # --- the link -----------------------------------------------------------------------------------------

    def link_up(self, now_ms: int) -> None:
        """Ask where the chain stands and offer what is pending."""
        self._linked = True
        self.sync.link_up(now_ms)
        self.outbox.link_up(now_ms)
        self.freshness.slept()
        self.membership.wake()

    def link_lost(self) -> None:
        """Nothing is asked or sent until the link is back."""
        self._linked = False
        self.outbox.link_lost()

    def acknowledged(self, event: Acknowledged) -> None:
        """A chunk is at the MQTT server."""
        self.outbox.acknowledged(event)

    # --- what validators say; each raises `ProtocolError`, and `ConflictError` for a forked chain ---------

    def chain_head(self, validator: str, payload: bytes, now_ms: int) -> Effects:
        """A light block on the topic of a validator."""
        round_s = self.materials.params.round_s
        progress = self.sync.chain_head(validator, payload, round_s, now_ms)
        effects = self._progressed(progress)
        if self.sync.lied(progress, validator, now_ms):
            detail = "signed another head than it shows"
            return [*effects, Refused(Reason.WRONG_HASH, validator, detail)]
        return effects

    def said(self, validator: str, payload: bytes, now_ms: int) -> Effects:
        """A validator's answer."""
        message = decode_say(payload)
        if isinstance(message, Handoffs):
            # From anybody: it proves itself, and who has a seat now may be somebody we do not know yet.
            progress = self.sync.handoffs(message, now_ms)
            return [effect for one in progress for effect in self._progressed(one)]
        if isinstance(message, Vouched):  # from anybody, too: its hash is known
            return self._progressed(self.sync.vouched(message, now_ms))
        index = self._index(validator)
        if isinstance(message, HeaderRun):
            return self._progressed(self.sync.header_run(message, now_ms))
        if isinstance(message, Awake):
            return self._awake(validator, message, now_ms)
        if isinstance(message, Fresh):
            return self._word(index, message, now_ms)
        if isinstance(message, MissingChunks):
            self.outbox.missing(message.update_root, message.missing, now_ms)
        elif isinstance(message, Receipt):
            key = self.sync.validators.keys[index]
            message.verify(self._identity.chain_id, key, self._identity.verify)
            self.outbox.receipt(key, message)
        return []

    def piece(self, validator: str, root: bytes, index: int, payload: bytes, now_ms: int) -> Effects:
        """A chunk of an object."""
        self._index(validator)
        if self.candidacy.fetches(root):
            return [*self.candidacy.piece(validator, root, index, payload, now_ms)]
        fetched, asks = self.materials.piece(validator, root, index, payload, now_ms)
        if fetched is None:
            return [*asks]
        running = self.rounds.running
        return [*asks, *self.materials.keep(fetched, running.model_root if running else None)]

    def _index(self, validator: str) -> int:
        names = [node_id(key) for key in self.sync.validators.keys]
        if validator not in names:
            raise ProtocolError(Reason.WRONG_SENDER, "not a validator of this chain")
        return names.index(validator)

    def _progressed(self, progress: Progress | None) -> Effects:
        self.outbox.seated(self.sync.validators.keys)
        if isinstance(progress, HandedOver):
            return [SaveHandoffs(progress.handoffs)]
        if not isinstance(progress, Advanced):
            return []
        self._anchors.add_headers(progress.headers)
        linked = tuple(header.encode_linked() for header in progress.headers)
        effects: Effects = [
            SaveChain(
                linked=linked,
                tip=progress.tip,
                head=progress.head,
                signing=progress.signing,
                extension=progress.extension,
                vouching=progress.vouching,
            )
        ]
        return effects if progress.head is None else [*effects, *self._new_head(progress.head)]

    def _new_head(self, head: TrustedHead) -> Effects:
        self._anchors.add_head(head)
        self.materials.outdated(head)
        running, pending = self.rounds.running, self.outbox.base_height_min
        bases = [] if pending is None else [pending]
        bases += [head.learning.opened_height] if running is None else [running.base_height]
        self._anchors.forget_to(min(bases))
        closed_a_round, self._round = head.learning.round > self._round, head.learning.round
        if self.membership.proof is None or (closed_a_round and self.outbox.roots):
            self.membership.wake()
        self.freshness.reached(head)
        return [Note("head", {"height": head.height, "round": head.learning.round})]

    # --- waking up ----------------------------------------------------------------------------------------

    def _awake(self, validator: str, awake: Awake, now_ms: int) -> Effects:
        """Validator sets, head, account and the fate of our updates, as far as this validator shows them.

        What was verified stays so, whatever follows it in the answer: its effects must reach the disk.
        """
        effects: Effects = []
        try:
            if isinstance(awake.head, BareHead) and awake.head.hops:
                for progress in self.sync.handoffs(Handoffs(awake.head.hops), now_ms):
                    effects += self._progressed(progress)
            found = self._awoken(awake)
            if found is None:
                return effects
            if found.jump is not None:
                effects += self._progressed(self.sync.woken(found.jump, now_ms))
            effects += self._settle(found, now_ms)
        except ProtocolError as error:
            effects.append(Refused(error.reason, validator, error.detail))
        return effects

    def _awoken(self, awake: Awake) -> Awoken | None:
        validators_root = self.sync.validators_root(awake.epoch)
        if validators_root is None:
            return None
        pending = {root: self.outbox.update(root) for root in self.outbox.roots}
        updates = {root: one.head for root, one in pending.items() if one is not None}
        identity = self._identity
        key = identity.signer.public_key
        return awoken(awake, Known(identity.chain_id, self.sync.tip, validators_root, key, updates))

    def _settle(self, found: Awoken, now_ms: int) -> Effects:
        """What an answer says of us, when we know the head it is as of."""
        head, as_of = self.head, self._anchors.head(found.height)
        proven = {one.update_root: one for one in found.placed if self._proves(one, found)}
        if as_of is not None and found.account is not None:
            self._check_account(found.account, as_of)
        # Everything is checked; from here on only our own state changes.
        self.sync.told(found.height, now_ms)
        round_number = head.learning.round
        effects: Effects = [self.outbox.settle_placed(one, round_number) for one in proven.values()]
        if as_of is not None and found.account is not None:
            news = self.membership.proven(found.account, as_of.height)
            effects += [SaveAccount(as_of.height, found.account, as_of.app, as_of.state)] if news else []
        if as_of is not None and found.height == head.height:
            effects += self._decide(found.account, head)
        return effects

    def _proves(self, placed: Placed, found: Awoken) -> bool:
        """Whether a pending update is shown to stand in a block; raises `ProtocolError` for a false proof."""
        update = self.outbox.update(placed.update_root)
        if update is None:
            return False
        if placed.ancestor is not None:
            return found.jump is None or found.jump.block == self.head.block
        if not self._anchors.covers(placed.height):
            return False
        if not self._anchors.includes(placed.height, placed.proof, update.head):
            raise ProtocolError(Reason.WRONG_HASH, f"proof of inclusion at height {placed.height}")
        return True

    def _check_account(self, proof: AccountProof, as_of: TrustedHead) -> None:
        own = proof.account.public_key == self._identity.signer.public_key
        if not own or proof.root() != as_of.state.accounts_root:
            raise ProtocolError(Reason.WRONG_HASH, f"account proof as of height {as_of.height}")

    def _decide(self, account: AccountProof | None, head: TrustedHead) -> Effects:
        """What an answer of today leaves no doubt about; anything else is asked of the next validator."""
        effects: Effects = []
        if account is not None:
            staleness_max = self.materials.params.staleness_max
            own, round_number = account.account, head.learning.round
            effects += self.outbox.settle_absent(own, head.height, round_number, staleness_max)
        elif self.membership.proof is not None:
            return []
        else:
            self.membership.absent()
        if not self.outbox.wants_claim:
            self.membership.woken()
        return effects

    def _word(self, index: int, word: Fresh, now_ms: int) -> Effects:
        """A validator's word on the head."""
        if word.nonce != self.freshness.nonce:
            return []
        key = self.sync.validators.keys[index]
        word.verify(self._identity.chain_id, key, self._identity.verify)
        heard = self.freshness.hear(key, word, self.head)
        if heard == Heard.HIGHER and not self.membership.waking:
            self.membership.wake()
        if heard == Heard.CONTRADICTS:
            self.sync.doubt(node_id(key), now_ms)
        return []

    # --- what the trainer says ----------------------------------------------------------------------------

    def trained(self, result: TrainingFinished, now_ms: int) -> Effects:
        """Sign and save; `advance` sends."""
        proof, scheduler, cost = self.membership.proof, self._scheduler, result.cost
        if scheduler is not None and cost is not None:
            result = replace(result, cost=scheduler.completed(cost))
        update = None if proof is None else self.rounds.finish(result, proof)
        if update is None:
            return [DropObject(result.update_root), DropObject(result.residue_root)]
        self.outbox.add(update, now_ms)
        spent = None if cost is None else entered(Spent(now_ms, cost), scheduler, self._draws)
        note = Note("trained", {"round": result.round, "steps": result.steps, "samples": result.samples})
        saved = SaveUpdate(update, result.residue_root, result.consumed, spent)
        return [saved, *self._forget_checkpoint(), note]

    def _too_late(self, now_ms: int) -> Effects:
        """Give up what could not count any more; it counts among the rounds of the day, like all work."""
        running = self.rounds.running
        if running is None or not self.rounds.hopeless(self.head, self.materials.params.staleness_max):
            return []
        self.rounds.give_up()
        spent = entered(Spent(now_ms, NOT_COUNTED), self._scheduler, self._draws)
        given_up = SaveGivenUp(running.round, "too late", spent)
        return [StopTraining(running.round), given_up, *self._forget_checkpoint()]

    def not_trained(self, failure: TrainingFailed, now_ms: int) -> Effects:
        """This round is left out: until `RETRY_FAILED_MS` have passed, or for good when steps were done."""
        running = self.rounds.running
        if running is None or running.round != failure.round:
            return []
        spent = None
        if failure.worked or self.rounds.has_checkpoint:
            self.rounds.give_up(failure.why)
            spent = entered(Spent(now_ms, NOT_COUNTED), self._scheduler, self._draws)
        else:
            self.rounds.postpone(failure.why, now_ms)
        note = Note("training_failed", {"round": failure.round, "why": failure.why})
        return [SaveGivenUp(failure.round, failure.why, spent), *self._forget_checkpoint(), note]

    def training_paused(self, paused: TrainingPaused) -> Effects:
        """Keep what was done; `advance` goes on when all gates are open."""
        interrupted = self.rounds.paused(paused.round, paused.checkpoint_root)
        if interrupted is None:
            return [DropObject(paused.checkpoint_root)]
        why = ", ".join(self._scheduler.closed) if self._scheduler is not None else ""
        note = Note("training_paused", {"round": paused.round, "steps": paused.steps, "closed": why})
        return [SaveCheckpoint(interrupted), note]

    def pause(self) -> Effects:
        """Keep what the trainer has done so far and let it go."""
        order = self.rounds.pause()
        return [] if order is None else [PauseTraining(order.round)]

    def _forget_checkpoint(self) -> list[SaveCheckpoint]:
        had, self.rounds.has_checkpoint = self.rounds.has_checkpoint, False
        return [SaveCheckpoint(None)] if had else []

    # --- what is possible now -----------------------------------------------------------------------------

    @property
    def head(self) -> TrustedHead:
        """The latest verified state."""
        return self.sync.head

    @property
    def why(self) -> str:
        """Why the device does not start to train now, in a word."""
        account = self.membership.account
        if account is None:
            return "unregistered"
        if self.sync.needs_checkpoint:
            return "need-checkpoint"
        if not self.sync.synced:
            return "unsynced"
        if self.outbox.full:
            return "outbox-full"
        why_not = self.rounds.why_not(self.head, account)
        if why_not not in (None, "paused"):
            return why_not
        closed = "" if self._scheduler is None else ", ".join(self._scheduler.closed)
        return f"closed gate: {closed}" if closed else why_not or "fetching"

    def advance(self, now_ms: int) -> Effects:
        """Start whatever can be started."""
        proof = self.membership.proof
        self.rounds.retry(now_ms)
        effects: Effects = [*self.sync.advance(now_ms), *self._too_late(now_ms), *self._train(now_ms)]
        effects += self.candidacy.advance(self.head, proof)
        if not self._linked:
            return effects
        wants = self.outbox.wants_claim or self.sync.wants_jump(now_ms)
        if wants and not self.membership.waking:
            self.membership.wake()
        asks = [*self.sync.ask(now_ms), *self._ask_about_us(now_ms), *self.materials.ask(now_ms)]
        asks += self.candidacy.ask(self.head, self.materials.params, proof, now_ms)
        return [*effects, *asks, *self.outbox.advance(now_ms)]

    def _ask_about_us(self, now_ms: int) -> list[Publish]:
        def question() -> Wake:
            height = self.sync.tip.height
            covered_from, fresh = self._anchors.covered_from(height), self.freshness.wanted(now_ms)
            return Wake(self.sync.epoch, height, covered_from, fresh, self.outbox.roots)

        wait_ms = self.materials.params.records_wait_s * 1000
        asks = self.membership.ask(question, wait_ms, now_ms)
        if self.membership.nonce is not None:
            self.freshness.asked(self.membership.nonce, now_ms)
        return asks

    def _train(self, now_ms: int) -> Effects:
        self.materials.want_always(self.head)
        account, scheduler = self.membership.account, self._scheduler
        is_open = scheduler is None or scheduler.is_open(now_ms)
        self.materials.hold(self.head, held=not is_open)
        if not is_open:
            return []
        if account is None or not self.sync.synced or self.outbox.full:
            return []
        interrupted = self.rounds.resume()
        if interrupted is not None:
            return [StartTraining(interrupted)]
        forgotten = self._forget_checkpoint() if self.rounds.running is None else []
        if self.rounds.why_not(self.head, account) is not None or not self.materials.ready(self.head):
            return [*forgotten]
        params = self.materials.params
        steps_max = None if scheduler is None else scheduler.steps_max(params.round_s)
        return [*forgotten, StartTraining(self.rounds.start(self.head, params, steps_max))]

    def deadline(self) -> int | None:
        """When `advance` may have something to do."""
        if not self._linked:
            return None
        return earliest(
            self.sync.deadline(),
            self.rounds.deadline(),
            self.membership.deadline(),
            self.materials.deadline(),
            self.outbox.deadline(),
            self.candidacy.deadline(),
        )
