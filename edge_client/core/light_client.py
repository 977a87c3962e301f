"""Follows the chain by headers alone: one light block at a time, or long runs linked under one finality.

The *tip* is the last linked header, the *head* the latest state seen proven. They differ only while a run is
being linked, and nothing may be trained then (`behind`). A block of an epoch whose validators are not known
waits until handoffs have shown them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge_client.core.handover import Handover, admit
from edge_client.core.trusted import Tip, Trusted, TrustedHead, verified_head
from edge_client.core.trusted_sets import TrustedSets
from edge_client.core.verify import (
    Case,
    Conflict,
    Invalid,
    LightRules,
    NeedCheckpoint,
    NotEnoughTrust,
    Success,
    cheap_fault,
    clock_is_good,
    first_fault,
    quorum_signed,
    trust_has_expired,
    verify,
)
from edge_client.core.vouching import Vouching, land
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, TrustedSet
from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import HeaderRun, LightBlock, link
from edge_client.protocol.messages import GetHandoffs, GetHeaders
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.mmr_extension import extend
from edge_client.protocol.validators import ValidatorSet
from edge_client.protocol.vouched import GetVouched, Vouched

JUMP_HEADERS_MIN = 64
"""Fewer headers are linked one by one: 5.4 kB in one answer, and the history stays whole. The answer to a
wake-up, 2.4 to 2.9 kB however far it leads, is as long as some 30 headers; a few blocks missed in a short
outage are not worth a gap."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The tip moved over these headers, the last of which the set `signing` made final; `head` is set when
    the state after it is known, too. After a jump `extension` shows that the history of the first of them
    begins with ours; after the owner's word `vouching` shows the validators."""

    headers: tuple[Header, ...]
    tip: Tip
    head: TrustedHead | None
    signing: TrustedSet
    extension: tuple[bytes, ...] = ()
    vouching: Vouching | None = None


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Later validator sets are known now."""

    handoffs: tuple[Handoff, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Nothing new."""


Progress = Advanced | HandedOver | Known | NotEnoughTrust | Invalid | Conflict | NeedCheckpoint
"""What came of a light block, a run or handoffs."""


class LightClient:
    """Holds tip and head; changes them only to what was verified."""

    def __init__(self, rules: LightRules, trusted: Trusted, checkpoint: Checkpoint | None = None) -> None:
        self._rules = rules
        self._checkpoint = checkpoint
        self._sets = TrustedSets(trusted.signing, trusted.handoffs)
        self._target: LightBlock | None = None
        self._waiting: LightBlock | None = None
        self._run_epoch: int | None = None
        self.tip = trusted.tip
        self.head = trusted.head

    @property
    def signing(self) -> TrustedSet:
        """The validator set of the tip's epoch."""
        return self._sets.signing

    @property
    def latest(self) -> TrustedSet:
        """The latest validator set that is known."""
        return self._sets.latest

    def validators_of(self, epoch: int) -> ValidatorSet | None:
        """The set of this epoch, if it is known."""
        return self._sets.of(epoch)

    def is_expired(self, now_ms: int) -> bool:
        """Whether only the owner can say from where to go on."""
        return trust_has_expired(self._rules, self.tip, now_ms)

    def has_good_clock(self, now_ms: int) -> bool:
        """Whether the clock is not behind the chain."""
        return clock_is_good(self._rules, self.tip, now_ms)

    @property
    def behind(self) -> bool:
        """Whether a later state is said to exist."""
        waits = self._target is not None or self._waiting is not None
        return waits or self.tip.height > self.head.height

    @property
    def waiting(self) -> LightBlock | None:
        """A block that could not be judged before, now that the validators of its epoch are known."""
        block = self._waiting
        return block if block is not None and self._sets.of(block.header.epoch) is not None else None

    def question(self, now_ms: int) -> GetHeaders | GetHandoffs | None:
        """What is missing, if anything is: validator sets first, then headers."""
        unknown = [self._run_epoch, None if self._waiting is None else self._waiting.header.epoch]
        for epoch in unknown:
            if epoch is not None and self._sets.of(epoch) is None:
                return self._handoffs_to(epoch, self._nearest(epoch), now_ms)
        if self._target is None or self.wants_jump(now_ms):
            return None
        return GetHeaders(self.tip.height + 1, self._target.header.height)

    def _nearest(self, epoch: int) -> TrustedSet:
        """Where handoffs to a later epoch than the tip's start."""
        return self._sets.nearest(epoch) or self.signing

    def _handoffs_to(self, epoch: int, known: TrustedSet, now_ms: int) -> GetHandoffs:
        # Without a good clock each set must vouch for the next one: no hops [LGT-7].
        good = clock_is_good(self._rules, self.tip, now_ms)
        return GetHandoffs(known.epoch, epoch - 1 if good else known.epoch)

    # --- light blocks -------------------------------------------------------------------------------------

    def offer(self, block: LightBlock, now_ms: int) -> Progress:
        """Take a light block from a peer."""
        header_hash = block.header.hash(self._rules.chain_id)
        if header_hash == self.head.hash or (block == self._target and self._is_far(block)):
            return Known()
        if trust_has_expired(self._rules, self.tip, now_ms):
            return NeedCheckpoint()
        validators = self._sets.of(block.header.epoch)
        if validators is None:
            return self._look_ahead(block, now_ms)
        self._waiting = None
        case = Case(self._rules, self.tip, TrustedSet(block.header.epoch, validators), block, now_ms)
        if header_hash == self.tip.hash:
            return self._reach(case, header_hash)
        verdict = verify(case)
        if isinstance(verdict, NotEnoughTrust):
            return self._aim(block, verdict)
        if not isinstance(verdict, Success):
            return verdict
        peaks = self.tip.peaks.append(header_hash)
        return self._append([block.header], peaks, verified_head(block, header_hash))

    def _is_far(self, block: LightBlock) -> bool:
        return block.header.height > self.tip.height + 1

    def _look_ahead(self, block: LightBlock, now_ms: int) -> Progress:
        """The validators of its epoch are not known, so it may be anything; it waits for handoffs."""
        header, known = block.header, self._sets.nearest(block.header.epoch)
        if known is None or header.epoch - known.epoch > header.height - self.tip.height:
            detail = f"epoch {header.epoch} at height {header.height}"
            return Invalid(Reason.MALFORMED, detail)
        fault = cheap_fault(Case(self._rules, self.tip, known, block, now_ms))
        if fault is not None:
            return fault
        self._waiting = block
        return NotEnoughTrust(self._handoffs_to(header.epoch, known, now_ms))

    def _aim(self, block: LightBlock, verdict: NotEnoughTrust) -> Progress:
        """Headers up to this final block are missing; go for the highest one known."""
        target = self._target
        if target is not None and target.header.height == block.header.height:
            same = target.header == block.header
            return verdict if same else Conflict(f"two final headers at height {block.header.height}")
        if target is None or target.header.height < block.header.height:
            self._target = block
        return verdict

    def _reach(self, case: Case, header_hash: bytes) -> Progress:
        """The state after the tip: its header was linked before, its leaves are new."""
        fault = first_fault(case)
        if fault is not None:
            return fault
        self.head = verified_head(case.block, header_hash)
        return Advanced((), self.tip, self.head, self.signing)

    # --- the owner's word ---------------------------------------------------------------------------------

    @property
    def vouched(self) -> GetVouched | None:
        """What to ask for when trust has expired: the header the owner vouches for, above the tip."""
        checkpoint = self._checkpoint
        if checkpoint is None or checkpoint.height <= self.tip.height:
            return None
        return GetVouched(self.tip.height, checkpoint.height)

    def trust(self, checkpoint: Checkpoint) -> None:
        """The owner vouches for a header; the latest one counts."""
        if self._checkpoint is None or checkpoint.height > self._checkpoint.height:
            self._checkpoint = checkpoint

    def take_vouched(self, vouched: Vouched, now_ms: int) -> Progress:
        """Take the header the owner vouches for as the tip: what follows it is verified as ever, and until
        something does there is no new state [LGT-9]."""
        checkpoint, extends = self._checkpoint, vouched.header.height > self.tip.height
        if checkpoint is None or not extends or not self.is_expired(now_ms):
            return Known()
        try:
            landing = land(self._rules, self.tip, self._sets, checkpoint, vouched)
        except ProtocolError as error:
            return Invalid(error.reason, error.detail)
        self.tip, self._sets = landing.tip, TrustedSets(landing.signing)
        self._target = self._waiting = self._run_epoch = None
        return Advanced(
            (vouched.header,), self.tip, None, landing.signing, vouched.extension, landing.vouching
        )

    # --- jumps --------------------------------------------------------------------------------------------

    def jump(self, block: LightBlock, extension: tuple[bytes, ...], now_ms: int) -> Progress:
        """Take a block far ahead together with the way from our range of headers to the one under it [LGT-8].

        What one run can bridge is linked and not jumped over, and so is a checkpoint that would have to be
        seen. A clock behind the chain allows no jump either: then this is like `offer`.
        """
        epoch = block.header.epoch
        validators = self._sets.of(epoch)
        if validators is None or not self._may_jump(block.header.height, now_ms):
            return self.offer(block, now_ms)
        if trust_has_expired(self._rules, self.tip, now_ms):
            return NeedCheckpoint()
        case = Case(self._rules, self.tip, TrustedSet(epoch, validators), block, now_ms)
        fault = first_fault(case) or self._begins_with_ours(block.header, extension)
        if fault is not None:
            return fault
        target = self._target
        if (
            target is not None
            and target.header.height == block.header.height
            and target.header != block.header
        ):
            return Conflict(f"two final headers at height {block.header.height}")
        self._waiting = None
        header_hash = block.header.hash(self._rules.chain_id)
        peaks = extend(self.tip.peaks, block.header.height, extension).peaks.append(header_hash)
        progress = self._append([block.header], peaks, verified_head(block, header_hash))
        return replace(progress, extension=extension) if isinstance(progress, Advanced) else progress

    def wants_jump(self, now_ms: int) -> bool:
        """Whether a final head is known that is too far ahead for its headers to be asked for."""
        return self._target is not None and self._may_jump(self._target.header.height, now_ms)

    def _may_jump(self, height: int, now_ms: int) -> bool:
        far = height - self.tip.height > JUMP_HEADERS_MIN and not self._checkpoint_within(height)
        return far and clock_is_good(self._rules, self.tip, now_ms)

    def _begins_with_ours(self, header: Header, extension: tuple[bytes, ...]) -> Invalid | None:
        """The history under the header is ours, and more."""
        try:
            extended = extend(self.tip.peaks, header.height, extension)
        except ProtocolError as error:
            return Invalid(error.reason, error.detail)
        if extended.peaks.root() != header.history_root:
            return Invalid(Reason.WRONG_HASH, f"history of height {header.height}")
        return None

    def _checkpoint_within(self, height: int) -> bool:
        """Whether the operator's checkpoint lies between the tip and this height."""
        checkpoint = self._checkpoint
        return checkpoint is not None and self.tip.height < checkpoint.height < height

    # --- handoffs -----------------------------------------------------------------------------------------

    def take_handoffs(self, handoffs: Sequence[Handoff], now_ms: int) -> Progress:
        """Take handoffs, asked for or not: each proves itself. All that are new, or nothing."""
        if trust_has_expired(self._rules, self.tip, now_ms):
            return NeedCheckpoint()
        sets, adopted = self._sets.copy(), []
        for handoff in handoffs:
            if sets.boundary(handoff.epoch) == handoff.header:
                continue
            verdict = admit(Handover(self._rules, self.tip, sets, handoff, now_ms))
            if verdict is not None:
                return verdict
            sets.adopt(handoff)
            adopted.append(handoff)
        self._sets = sets
        return HandedOver(tuple(adopted)) if adopted else Known()

    # --- runs of headers ----------------------------------------------------------------------------------

    def take_run(self, run: HeaderRun, now_ms: int) -> Progress:
        """Take an answer to `question`: it may end early or late, at any header that is shown final."""
        if self._target is None or run.first_height != self.tip.height + 1 or not run.linked:
            return Known()
        if trust_has_expired(self._rules, self.tip, now_ms):
            return NeedCheckpoint()
        try:
            headers, peaks = link(self._rules.chain_id, self.tip.peaks, run.linked)
        except ProtocolError as error:
            return Invalid(error.reason, error.detail)
        fault = self._run_fits(headers) or self._run_is_final(run, headers[-1], now_ms)
        if fault is not None:
            return fault
        if self._sets.contradicts(headers):
            return Conflict("an epoch ends at another header than its handoff showed")
        target = self._target
        at = target.header.height - run.first_height
        if at >= len(headers):
            return self._append(headers, peaks, None)
        if headers[at] != target.header:
            return Conflict(f"two final headers at height {target.header.height}")
        self._target = None
        return self._append(headers, peaks, verified_head(target, headers[at].hash(self._rules.chain_id)))

    def _run_fits(self, headers: list[Header]) -> Invalid | None:
        time_s, signing = self.tip.time_s, self.signing
        epoch, count = signing.epoch, signing.validators.count
        for header in headers:
            if header.epoch not in (epoch, epoch + 1) or header.validators != count:
                detail = f"epoch {header.epoch} with {header.validators} validators after epoch {epoch}"
                return Invalid(Reason.MALFORMED, detail)
            if header.time_s < time_s:
                return Invalid(Reason.TIME, f"{header.time_s} s, before {time_s} s")
            time_s, epoch = header.time_s, header.epoch
        return None

    def _run_is_final(self, run: HeaderRun, last: Header, now_ms: int) -> Invalid | NotEnoughTrust | None:
        validators = self._sets.of(last.epoch)
        if validators is None:
            self._run_epoch = last.epoch
            return NotEnoughTrust(self._handoffs_to(last.epoch, self._nearest(last.epoch), now_ms))
        return quorum_signed(self._rules, TrustedSet(last.epoch, validators), last, run.finality)

    def _append(self, headers: list[Header], peaks: Peaks, head: TrustedHead | None) -> Advanced | Conflict:
        """Move the tip over linked, final headers; `peaks` hold them all."""
        if self._contradicts(headers):
            return Conflict("a header at the height of the operator's checkpoint is not that checkpoint")
        last = headers[-1]
        if head is not None and head.height == last.height:
            last_hash = head.hash
        else:
            last_hash = last.hash(self._rules.chain_id)
        self.tip = tip = Tip(last.height, last_hash, last.time_s, peaks)
        self._sets.enter(last.epoch, last.height)
        self._run_epoch = None
        if self._target is not None and self._target.header.height <= tip.height:
            self._target = None
        if head is not None:
            self.head = head
        return Advanced(tuple(headers), tip, head, self.signing)

    def _contradicts(self, headers: list[Header]) -> bool:
        """Whether one of them has the checkpoint's height and is another header."""
        checkpoint = self._checkpoint
        if checkpoint is None:
            return False
        at = checkpoint.height - headers[0].height
        if not 0 <= at < len(headers):
            return False
        return headers[at].hash(self._rules.chain_id) != checkpoint.header_hash
