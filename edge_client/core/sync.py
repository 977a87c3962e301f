"""Keeps up with the chain: whose head to listen to, and the headers that are missing."""

from __future__ import annotations

from edge_client.core.asking import Asking
from edge_client.core.draws import Draw, Draws
from edge_client.core.follow import Follower
from edge_client.core.identity import Identity
from edge_client.core.light_client import Advanced, Known, LightClient, Progress
from edge_client.core.stored import Stored
from edge_client.core.timing import earliest
from edge_client.core.trusted import Tip, Trusted, TrustedHead, genesis_trust
from edge_client.core.verify import Conflict, Invalid, LightRules
from edge_client.core.waking import Jump
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.keys import node_id
from edge_client.protocol.light import HeaderRun, LightBlock
from edge_client.protocol.machine import Note, Publish, Subscribe, Unsubscribe
from edge_client.protocol.messages import GetHandoffs, GetHeaders, Handoffs
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.vouched import GetVouched, Vouched

EPOCH_MAX = (1 << 32) - 1
Question = GetHeaders | GetHandoffs | GetVouched


class Sync:
    """The light client together with its sources."""

    def __init__(self, identity: Identity, genesis: Genesis, draws: Draws, stored: Stored) -> None:
        rules = LightRules(identity.chain_id, genesis.t0_s, identity.verify, identity.trusting_ms)
        self._identity = identity
        self._draws = draws
        self._t0_s = genesis.t0_s
        self._light = LightClient(rules, _trusted(genesis, stored), identity.checkpoint)
        self._follower = Follower(identity.topics, self._order(), identity.timing)
        self._asking: Asking | None = None
        self._asked: Question | None = None
        self._fresh = False
        self._doubted: str | None = None
        self.needs_checkpoint = False
        self.has_good_clock = True

    @property
    def head(self) -> TrustedHead:
        """The latest verified state."""
        return self._light.head

    @property
    def validators(self) -> ValidatorSet:
        """The latest set that is known."""
        return self._light.latest.validators

    @property
    def tip(self) -> Tip:
        """The last linked header."""
        return self._light.tip

    @property
    def epoch(self) -> int:
        """Of the latest validator set that is known."""
        return self._light.latest.epoch

    def validators_root(self, epoch: int | None) -> bytes | None:
        """Root of the set of this epoch (None: of the latest), if it is known."""
        if epoch is None:
            return self.validators.root()
        known = self._light.validators_of(epoch)
        return None if known is None else known.root()

    @property
    def synced(self) -> bool:
        """Whether the head is the latest that anybody told us about since the link came up, and we may still
        judge that."""
        return self._fresh and not self._light.behind and not self.needs_checkpoint

    @property
    def asks(self) -> bool:
        """Whether a question about the chain waits for its answer."""
        return self._asking is not None

    def stale(self) -> None:
        """The head may not be the latest any more: nothing begins before that was asked."""
        self._fresh = False

    def _order(self) -> tuple[str, ...]:
        """The validators in an order of this start's own."""
        ids = [node_id(key) for key in self.validators.keys]
        return tuple(sorted(ids, key=lambda name: self._draws.bytes_for(Draw.FOLLOW, name.encode())))

    def link_up(self, now_ms: int) -> None:
        """Much may have happened since we last heard anything."""
        self.stale()
        self._follower.link_up(now_ms)

    def told(self, height: int, now_ms: int) -> None:
        """A validator says how high the chain is: a higher head is looked for, and verified as ever."""
        if height > self.head.height:
            self._follower.suspect(now_ms)
        elif height == self.head.height:
            self._fresh = True

    def chain_head(self, validator: str, payload: bytes, round_s: int, now_ms: int) -> Progress | None:
        """Take a head; None from a validator we do not follow (any more). Raises `ProtocolError`."""
        if validator != self._follower.followed:
            return None
        try:
            progress = _accepted(self._light.offer(LightBlock.decode(payload), now_ms))
        except ProtocolError:
            self._follower.suspect(now_ms)
            raise
        self._fresh = True
        self._follower.heard(self.head, round_s, self._t0_s, now_ms)
        return progress

    def woken(self, jump: Jump, now_ms: int) -> Progress:
        """Take the head of an answer to `Wake`. Raises `ProtocolError`."""
        progress = _accepted(self._light.jump(jump.block, jump.extension, now_ms))
        self._fresh = True
        return progress

    def doubt(self, validator: str, now_ms: int) -> None:
        """It signed another header than ours: its own head shows a fork, or that it lied [FRS-2]."""
        self._doubted = validator
        self._follower.prefer(validator, now_ms)

    def wants_jump(self, now_ms: int) -> bool:
        """Whether the head is so far ahead that only an answer to `Wake` leads there."""
        return self._light.wants_jump(now_ms)

    def lied(self, progress: Progress | None, validator: str, now_ms: int) -> bool:
        """Whether a doubted validator's own head, of which this came, is ours or follows it; asked once."""
        if self._doubted != validator or not isinstance(progress, (Known, Advanced)):
            return False
        self._doubted = None
        self._follower.suspect(now_ms)
        return True

    def header_run(self, run: HeaderRun, now_ms: int) -> Progress:
        """Take missing headers. Raises `ProtocolError`."""
        return _accepted(self._light.take_run(run, now_ms))

    def trust(self, checkpoint: Checkpoint) -> None:
        """The owner vouches for a header."""
        self._light.trust(checkpoint)

    def vouched(self, message: Vouched, now_ms: int) -> Progress:
        """Take the header the owner vouches for. Raises `ProtocolError`."""
        return _accepted(self._light.take_vouched(message, now_ms))

    def handoffs(self, message: Handoffs, now_ms: int) -> list[Progress]:
        """Take handoffs, and then the block that waited for them. Raises `ProtocolError`."""
        progress = [_accepted(self._light.take_handoffs(message.handoffs, now_ms))]
        self._follower.choose_from(self._order())
        waiting = self._light.waiting
        if waiting is None:
            return progress
        outcome = self._light.offer(waiting, now_ms)
        if isinstance(outcome, Invalid):  # then it was never what its header said
            self._follower.suspect(now_ms)
            return progress
        return [*progress, _accepted(outcome)]

    def advance(self, now_ms: int) -> list[Subscribe | Unsubscribe | Note]:
        """Listen to somebody else if it is time."""
        self.needs_checkpoint = self._light.is_expired(now_ms)
        self.has_good_clock = self._light.has_good_clock(now_ms)
        return self._follower.advance(now_ms)

    def ask(self, now_ms: int) -> list[Publish]:
        """Ask for what is missing if it is time."""
        question = self._question(now_ms)
        if question is None:
            self._asking = None
            return []
        asked, self._asked = self._asked, question
        if self._asking is None:
            timing = self._identity.timing
            self._asking = Asking(question, self._draws.nonce(), self.validators.count, timing)
        elif _has_progressed(asked, question):
            return [self._identity.ask(self._asking.progressed(question, now_ms))]
        self._asking.question = question
        ask = self._asking.ask(now_ms)
        return [] if ask is None else [self._identity.ask(ask)]

    def _question(self, now_ms: int) -> Question | None:
        if self.needs_checkpoint:
            return self._light.vouched
        question = self._light.question(now_ms)
        if question is None and not self._fresh and self._follower.heard_nobody:
            # All we know are silent: perhaps others have their seats. Whoever sits there hears the question.
            return GetHandoffs(self._light.latest.epoch, EPOCH_MAX)
        return question

    def deadline(self) -> int | None:
        """When `advance` or `ask` has something to do, while the link is up."""
        return earliest(self._follower.due_ms, None if self._asking is None else self._asking.due_ms)


def _trusted(genesis: Genesis, stored: Stored) -> Trusted:
    """What is on disk, or genesis."""
    start = genesis_trust(genesis)
    head, signing = stored.head or start.head, stored.signing or start.signing
    return Trusted(stored.tip or start.tip, head, signing, stored.handoffs)


def _has_progressed(asked: Question | None, question: Question) -> bool:
    """Whether the last answer was good for something: then the same validator is asked on, at once."""
    if isinstance(asked, GetVouched) or isinstance(question, GetVouched):
        return False
    return asked is not None and type(asked) is type(question) and asked.first != question.first


class ConflictError(Exception):
    """Validators finalised two histories; carries what was seen."""


def _accepted(progress: Progress) -> Progress:
    """The same, with what a peer did wrong raised as its error."""
    if isinstance(progress, Invalid):
        raise ProtocolError(progress.reason, progress.detail)
    if isinstance(progress, Conflict):
        raise ConflictError(progress.detail)
    return progress
