"""Follows the chain by headers alone: one light block at a time, or long runs linked under one certificate.

The *tip* is the last linked header, the *head* the latest state seen proven. They differ only while a run is
being linked, and nothing may be trained then (`behind`).
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.core.trusted import Tip, TrustedHead, verified_head
from edge_client.core.verify import (
    Case,
    Conflict,
    Invalid,
    LightRules,
    NotEnoughTrust,
    Success,
    first_fault,
    quorum_signed,
    set_fits,
    verify,
)
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.light import HeaderRun, LightBlock, link
from edge_client.protocol.messages import GetHeaders
from edge_client.protocol.mmr import Peaks


@dataclass(frozen=True, slots=True)
class Advanced:
    """The tip moved over these headers; `head` is set when the state after the last of them is known, too."""

    headers: tuple[Header, ...]
    tip: Tip
    head: TrustedHead | None


@dataclass(frozen=True, slots=True)
class Known:
    """Nothing new."""


Progress = Advanced | Known | NotEnoughTrust | Invalid | Conflict
"""What came of a light block or a run."""


class LightClient:
    """Holds tip and head; changes them only to what was verified."""

    def __init__(
        self, rules: LightRules, tip: Tip, head: TrustedHead, checkpoint: Checkpoint | None = None
    ) -> None:
        self._rules = rules
        self._checkpoint = checkpoint
        self._target: LightBlock | None = None
        self.tip = tip
        self.head = head

    @property
    def behind(self) -> bool:
        """Whether a later state is known to exist."""
        return self._target is not None or self.tip.height > self.head.height

    @property
    def question(self) -> GetHeaders | None:
        """The headers that are missing, if any are."""
        if self._target is None:
            return None
        return GetHeaders(self.tip.height + 1, self._target.header.height)

    def offer(self, block: LightBlock, now_ms: int) -> Progress:
        """Take a light block from a peer."""
        header_hash = block.header.hash(self._rules.chain_id)
        if header_hash == self.head.hash:
            return Known()
        if block == self._target and block.header.height > self.tip.height + 1:
            return Known()
        if header_hash == self.tip.hash:
            return self._reach(block, header_hash, now_ms)
        verdict = verify(Case(self._rules, self.tip, block, now_ms))
        if isinstance(verdict, NotEnoughTrust):
            return self._aim(block, verdict)
        if not isinstance(verdict, Success):
            return verdict
        peaks = self.tip.peaks.append(header_hash)
        return self._append([block.header], peaks, verified_head(block, header_hash))

    def _aim(self, block: LightBlock, verdict: NotEnoughTrust) -> Progress:
        """Headers up to this final block are missing; go for the highest one known."""
        target = self._target
        if target is not None and target.header.height == block.header.height:
            same = target.header == block.header
            return verdict if same else Conflict(f"two final headers at height {block.header.height}")
        if target is None or target.header.height < block.header.height:
            self._target = block
        return verdict

    def _reach(self, block: LightBlock, header_hash: bytes, now_ms: int) -> Progress:
        """The state after the tip: its header was linked before, its leaves are new."""
        fault = first_fault(Case(self._rules, self.tip, block, now_ms))
        if fault is not None:
            return fault
        self.head = verified_head(block, header_hash)
        return Advanced((), self.tip, self.head)

    def take_run(self, run: HeaderRun) -> Progress:
        """Take an answer to `question`: it may end early or late, at any certified header."""
        if self._target is None or run.first_height != self.tip.height + 1 or not run.linked:
            return Known()
        try:
            headers, peaks = link(self._rules.chain_id, self.tip.peaks, run.linked)
        except ProtocolError as error:
            return Invalid(error.reason, error.detail)
        fault = self._run_fits(headers) or quorum_signed(self._rules, headers[-1], run.finality)
        if fault is not None:
            return fault
        target = self._target
        at = target.header.height - run.first_height
        if at >= len(headers):
            return self._append(headers, peaks, None)
        if headers[at] != target.header:
            return Conflict(f"two final headers at height {target.header.height}")
        self._target = None
        return self._append(headers, peaks, verified_head(target, headers[at].hash(self._rules.chain_id)))

    def _run_fits(self, headers: list[Header]) -> Invalid | None:
        time_s = self.tip.time_s
        for header in headers:
            fault = set_fits(self._rules, header)
            if fault is not None:
                return fault
            if header.time_s < time_s:
                return Invalid(Reason.TIME, f"{header.time_s} s, before {time_s} s")
            time_s = header.time_s
        return None

    def _append(self, headers: list[Header], peaks: Peaks, head: TrustedHead | None) -> Advanced | Conflict:
        """Move the tip over linked, final headers; `peaks` hold them all."""
        if self._contradicts(headers):
            return Conflict("a header at the height of the operator's checkpoint is not that checkpoint")
        last = headers[-1]
        self.tip = tip = Tip(last.height, last.hash(self._rules.chain_id), last.time_s, peaks)
        if self._target is not None and self._target.header.height <= tip.height:
            self._target = None
        if head is not None:
            self.head = head
        return Advanced(tuple(headers), tip, head)

    def _contradicts(self, headers: list[Header]) -> bool:
        """Whether one of them has the checkpoint's height and is another header."""
        checkpoint = self._checkpoint
        if checkpoint is None:
            return False
        at = checkpoint.height - headers[0].height
        if not 0 <= at < len(headers):
            return False
        return headers[at].hash(self._rules.chain_id) != checkpoint.header_hash
