"""Far behind: fetch a run of finalised headers, trust it by its last certificate, execute its blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from broker.core.consensus.events import Finalised
from broker.core.effects import StoreBlock, StoreFinal, StoreUpdateBody
from broker.core.ledger import Ledger
from edge_client.protocol.body import Body
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.fetch import ATTEMPTS, RETRY_MS
from edge_client.protocol.header import Header
from edge_client.protocol.light import HeaderRun, link
from edge_client.protocol.messages import Ask, GetHeaders
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Certificate


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
    run: Run | None = None
    done: list[Finalised] = field(default_factory=list)

    def aim(self, height: int) -> None:
        """There is a certified block at `height`."""
        if height > max(self.target, self.ledger.head.height):
            self.target, self.nonce, self.attempt = height, self.next_nonce(), 0

    def _is_asking(self) -> bool:
        return self.run is None and self.target > self.ledger.head.height

    def due(self, now_ms: int) -> list[Ask]:
        """The question for headers, again every two seconds to another peer."""
        if not self._is_asking() or self.ask_at_ms > now_ms:
            return []
        self.ask_at_ms = now_ms + RETRY_MS
        question = GetHeaders(self.ledger.head.height + 1, self.target)
        ask = Ask(self.nonce, self.attempt, question)
        self.attempt = (self.attempt + 1) % ATTEMPTS
        return [ask]

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        return self.ask_at_ms if self._is_asking() else None

    def headers(self, run: HeaderRun) -> None:
        """Take a run if it starts right above the head; raises `ProtocolError` when it is not proven."""
        ledger = self.ledger
        if not self._is_asking() or run.first_height != ledger.head.height + 1 or not run.linked:
            return
        chain_id = ledger.rules.chain_id
        headers, _ = link(chain_id, ledger.head.peaks, run.linked)
        last = headers[-1]
        run.finality.verify(last, chain_id, ledger.rules.genesis.validators, ledger.rules.verify)
        self.run = Run(headers, run.finality.certificate(last, chain_id))

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

    def apply(self, run: Run, body: Body, stores: list[StoreUpdateBody | StoreBlock | StoreFinal]) -> None:
        """Execute the run's next block on the head and make it the head."""
        header, head = run.headers[0], self.ledger.head
        try:
            candidate = self.ledger.check(head, header, body)
        except ProtocolError as error:
            detail = f"finalised block {header.height} does not execute here: {error}"
            raise ProtocolError(Reason.INVALID_BLOCK, detail) from error
        is_last = len(run.headers) == 1
        stores.append(StoreBlock(candidate.tip.hash, head.hash, header, body))
        stores.append(self.ledger.finalise(candidate.tip.hash, run.certificate if is_last else None))
        run.headers.pop(0)
        run.body = None
        if is_last:
            self.done.append(Finalised(header, run.certificate))
            self.run = None

    def finished(self) -> Finalised | None:
        """Once after each run: what to tell consensus."""
        return self.done.pop() if self.done else None
