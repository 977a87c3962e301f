"""Far behind: fetch a run of finalised headers, trust it by its last certificate, execute its blocks.

Two reasons to ask: a certificate of this epoch names a block far above the head (`aim`), or there is only a
suspicion that blocks are missing (`probe`). A suspicion costs a question or two and is then forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.core.consensus.events import Finalised
from broker.core.effects import StoreBlock, StoreFinal
from broker.core.ledger import Ledger
from broker.core.seating import Seated
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.fetch import ATTEMPTS, RETRY_MS
from edge_client.protocol.header import Header
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun, link
from edge_client.protocol.messages import Ask, GetHeaders
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Certificate

PROBE_ASKS = 2
FOLLOW_MS = 10_000
"""How long a node that may have missed a block waits for news before it asks."""


@dataclass(slots=True)
class Run:
    """Verified headers still to execute, and the certificate of the last. `body` is that of the first header
    once it is here, `missing` those of its updates whose bodies may not be, None before they are checked."""

    headers: list[Header]
    certificate: Certificate
    body: Body | None = None
    missing: list[UpdateHead] | None = None


@dataclass(slots=True)
class CatchUp:
    """Where to go, how to ask, and the run at hand."""

    ledger: Ledger
    next_nonce: Callable[[], int]
    target: int = 0
    nonce: int = 0
    attempt: int = 0
    ask_at_ms: int = 0
    probes_left: int = 0
    is_probing: bool = False
    probe_at_ms: int | None = None
    watched_height: int = 0
    run: Run | None = None
    done: list[Finalised] = field(default_factory=list)

    def aim(self, height: int) -> None:
        """There is a certified block at `height`."""
        if height > max(self.target, self.ledger.head.height):
            self.target, self.nonce, self.attempt = height, self.next_nonce(), 0

    def probe(self) -> None:
        """There may be blocks above the head; nothing changes while a question is open."""
        if not self._is_asking():
            self.nonce, self.attempt = self.next_nonce(), 0
            self.is_probing, self.probes_left = True, PROBE_ASKS

    def watch(self, is_restless: bool, now_ms: int) -> None:
        """Probe whenever a node that is restless has heard of no new head for a while."""
        height = self.ledger.head.height
        if not is_restless:
            self.probe_at_ms = None
        elif self.probe_at_ms is None or self.watched_height != height:
            self.probe_at_ms, self.watched_height = now_ms + FOLLOW_MS, height
        elif self.probe_at_ms <= now_ms:
            self.probe_at_ms = now_ms + FOLLOW_MS
            self.probe()

    def _is_aiming(self) -> bool:
        return self.target > self.ledger.head.height

    def _is_asking(self) -> bool:
        return self.run is None and (self._is_aiming() or self.is_probing)

    def due(self, now_ms: int) -> list[Ask]:
        """The question for headers, again every two seconds to another peer."""
        if not self._is_asking() or self.ask_at_ms > now_ms:
            return []
        first = self.ledger.head.height + 1
        if self._is_aiming():
            question = GetHeaders(first, self.target)
        elif self.probes_left:
            self.probes_left -= 1
            question = GetHeaders(first, first + RUN_HEADERS_MAX - 1)
        else:
            self.is_probing = False
            return []
        self.ask_at_ms = now_ms + RETRY_MS
        ask = Ask(self.nonce, self.attempt, question)
        self.attempt = (self.attempt + 1) % ATTEMPTS
        return [ask]

    def deadline(self) -> int | None:
        """When `due` or `watch` has something to say."""
        times = (self.ask_at_ms if self._is_asking() else None, self.probe_at_ms)
        return min((at for at in times if at is not None), default=None)

    def wants(self, run: HeaderRun) -> bool:
        """Whether a run answers the open question: only then it is worth checking."""
        return self._is_asking() and run.first_height == self.ledger.head.height + 1 and bool(run.linked)

    def headers(self, run: HeaderRun, seated: Seated) -> None:
        """Take a wanted run that ends in the epoch of the head's successor; raises `ProtocolError` when it is
        not proven. What lies beyond the epoch's last block is asked for when that is executed."""
        ledger = self.ledger
        chain_id = ledger.rules.chain_id
        headers, _ = link(chain_id, ledger.head.peaks, run.linked)
        last = headers[-1]
        if last.epoch != seated.epoch:
            raise ProtocolError(Reason.STALE, f"headers of epoch {last.epoch}, here {seated.epoch}")
        run.finality.verify(last, chain_id, seated.validators, ledger.rules.verify)
        self.run, self.is_probing = Run(headers, run.finality.certificate(last, chain_id)), False

    def current(self) -> Run | None:
        """The run, if it has a block left to execute; consensus may have been faster."""
        while self.run and self.run.headers and self.run.headers[0].height <= self.ledger.head.height:
            self.run.headers.pop(0)
            self.run.body = None
        if self.run and not self.run.headers:
            self.run = None
        return self.run

    def block(self, block_hash: bytes, body: Body) -> None:
        """A block arrived; kept if it is the next one."""
        if self.run and self.run.headers[0].hash(self.ledger.rules.chain_id) == block_hash:
            self.run.body, self.run.missing = body, None

    def apply(self, run: Run, body: Body) -> tuple[StoreBlock, StoreFinal]:
        """Execute the run's next block on the head and make it the head; what to write of it."""
        header, head = run.headers[0], self.ledger.head
        try:
            candidate = self.ledger.check(head, header, body)
        except ProtocolError as error:
            detail = f"finalised block {header.height} does not execute here: {error}"
            raise ProtocolError(Reason.INVALID_BLOCK, detail) from error
        is_last = len(run.headers) == 1
        block = StoreBlock(candidate.tip.hash, head.hash, header, body)
        final = self.ledger.finalise(candidate.tip.hash, run.certificate if is_last else None)
        run.headers.pop(0)
        run.body = None
        if is_last:
            seals = self.ledger.head.state.seats.is_sealed
            self.done.append(Finalised(header, run.certificate, seals))
            self.run = None
            self.probe()
            self.ask_at_ms = 0
        return block, final

    def skip(self) -> None:
        """The head has jumped: look again what is above it."""
        self.run, self.ask_at_ms = None, 0
        self.probe()

    def finished(self) -> Finalised | None:
        """Once after each run: what to tell consensus."""
        return self.done.pop() if self.done else None
