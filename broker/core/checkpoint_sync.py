"""Too far behind to execute everything: headers first, then the state of a peer's checkpoint [PRN-3].

Nothing is believed but what a verified header commits to. Headers are stored as they come, so a restart goes
on where it was; state and models are taken all at once. A lie, or a peer that stops answering, costs a
minute.
"""

from __future__ import annotations

from collections.abc import Callable

from broker.core.archive import Archive
from broker.core.effects import InstallCheckpoint, StoreHeaders
from broker.core.ledger import Ledger, Tip
from broker.core.seating import Seating
from edge_client.protocol.checkpoint import Checkpoint, GetCheckpoint
from edge_client.protocol.chunks import OBJECT_BYTES_MAX, ObjectKind
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.fetch import ATTEMPTS, RETRY_MS, SUSPECTS_MAX, Accept
from edge_client.protocol.handoff import Handoff, HandoffCase, TrustedSet, verify_handoff
from edge_client.protocol.header import Header
from edge_client.protocol.light import HeaderRun, link
from edge_client.protocol.machine import Refused
from edge_client.protocol.messages import Ask, GetHandoffs, GetHeaders, Handoffs
from edge_client.protocol.mmr import Peaks
from edge_client.protocol.mmr_nodes import peaks_from
from edge_client.protocol.model import model_root
from edge_client.protocol.state import ChainState
from edge_client.protocol.state_object import decode_state
from edge_client.protocol.validators import ValidatorSet

PATIENCE_MS = 60_000
"""After so long without progress somebody else is asked for a checkpoint, or executing is tried again."""
WAITING_ATTEMPTS = 4
"""A run whose epoch nobody proves is dropped after so many questions: its epoch may be made up."""
Want = Callable[[ObjectKind, bytes, int, Accept], None]


class CheckpointSync:
    """One attempt at a time; `is_active` while there is one."""

    def __init__(
        self, ledger: Ledger, archive: Archive, seating: Seating, next_nonce: Callable[[], int]
    ) -> None:
        self._ledger = ledger
        self._archive = archive
        self._seating = seating
        self._next_nonce = next_nonce
        self._distrusted: list[str] = []
        self._until_ms: int | None = None
        self._begin()

    def _begin(self) -> None:
        """Forget everything of an attempt, but not who failed."""
        seated = self._seating.now
        self._trusted = TrustedSet(seated.epoch, seated.validators)
        self._offer: Checkpoint | None = None
        self._offerer = ""
        self._waiting: HeaderRun | None = None
        self._waiting_epoch = 0
        self._state: ChainState | None = None
        self._models: dict[bytes, bytes] = {}
        self._asked: tuple[object, int, int] | None = None
        self._ask_at_ms = 0
        self._headers_at_ms: int | None = None
        self._peaks = self._known_peaks()

    def _known_peaks(self) -> Peaks:
        """Over all headers that are here, also those above the head."""
        head, headers_to = self._ledger.head, self._archive.headers_to()
        peaks = peaks_from(headers_to + 1, self._archive.mmr_node) if headers_to > head.height else None
        return head.peaks if peaks is None else peaks

    @property
    def is_active(self) -> bool:
        """Whether blocks are not worth fetching now."""
        return self._until_ms is not None

    def start(self, now_ms: int) -> None:
        """From now on, until a checkpoint is installed or patience ends."""
        if not self.is_active:
            self._begin()
            self._progress(now_ms)

    def expire(self, now_ms: int) -> bool:
        """Whether it gives up now: nothing has come for too long. It also ends when the head has come to
        where the checkpoint is by another way."""
        if self._until_ms is None:
            return False
        if self._offer is not None and self._offer.height <= self._ledger.head.height:
            self._until_ms = None
        elif now_ms >= self._until_ms:
            if self._offer is None:
                self._distrusted.clear()
            else:
                self._offer_failed()
            self._until_ms = None
            return True
        return False

    def _progress(self, now_ms: int) -> None:
        self._until_ms = now_ms + PATIENCE_MS

    # --- asking -------------------------------------------------------------------------------------------

    def due(self, now_ms: int) -> list[Ask]:
        """The open question, again every two seconds to another peer."""
        question = self._question()
        if question is None or not self.is_active:
            return []
        if self._asked is None or self._asked[0] != question:
            self._asked, self._ask_at_ms = (question, self._next_nonce(), 0), now_ms
        if self._ask_at_ms > now_ms:
            return []
        _, nonce, attempt = self._asked
        if self._waiting is not None and attempt >= WAITING_ATTEMPTS:
            self._waiting = None
            return self.due(now_ms)
        self._asked, self._ask_at_ms = (question, nonce, (attempt + 1) % ATTEMPTS), now_ms + RETRY_MS
        return [Ask(nonce, attempt, question)]

    def deadline(self) -> int | None:
        """When `due` or `expire` has something to say; at once when the headers are on their way to disk."""
        if self._until_ms is None:
            return None
        if self._headers_at_ms is not None:
            return self._headers_at_ms
        return self._until_ms if self._question() is None else min(self._until_ms, self._ask_at_ms)

    def _question(self) -> GetCheckpoint | GetHandoffs | GetHeaders | None:
        if self._offer is None:
            return GetCheckpoint()
        if self._waiting is not None:
            return GetHandoffs(self._trusted.epoch, self._trusted.epoch)
        if self._peaks.size <= self._offer.height:
            return GetHeaders(self._peaks.size, self._offer.height)
        return None

    # --- answers ------------------------------------------------------------------------------------------

    def offered(self, checkpoint: Checkpoint, sender: str, now_ms: int) -> None:
        """A peer's checkpoint: good enough to try when it is above the head."""
        if not self.is_active or self._offer is not None or sender in self._distrusted:
            return
        if checkpoint.height > self._ledger.head.height:
            self._offer, self._offerer = checkpoint, sender
            self._progress(now_ms)

    def headers(self, run: HeaderRun, now_ms: int) -> StoreHeaders | None:
        """A run that goes on from the headers that are here; raises `ProtocolError`. One that ends in a later
        epoch waits for handoffs to the set that signed it."""
        if self._offer is None or run.first_height != self._peaks.size or not run.linked:
            return None
        chain_id = self._ledger.rules.chain_id
        headers, peaks = link(chain_id, self._peaks, run.linked)
        last = headers[-1]
        validators = self._set_of(last.epoch)
        if validators is None and last.epoch - self._trusted.epoch > len(headers):
            raise ProtocolError(Reason.OUT_OF_RANGE, f"{len(headers)} headers up to epoch {last.epoch}")
        if validators is None:
            self._waiting, self._waiting_epoch = run, last.epoch
            return None
        run.finality.verify(last, chain_id, validators, self._ledger.rules.verify)
        self._peaks, self._waiting, self._headers_at_ms = peaks, None, now_ms
        self._progress(now_ms)
        hashes = tuple(header.hash(chain_id) for header in headers)
        return StoreHeaders(tuple(headers), hashes, run.finality.certificate(last, chain_id))

    def _set_of(self, epoch: int) -> ValidatorSet | None:
        """The validators of an epoch at or above the head's, by handoffs that were verified and stored."""
        while self._trusted.epoch < epoch:
            handoff = self._archive.handoff(self._trusted.epoch)
            if handoff is None:
                return None
            self._trusted = TrustedSet(handoff.epoch + 1, handoff.sets.next)
        if self._trusted.epoch == epoch:
            return self._trusted.validators
        before = self._archive.handoff(epoch - 1)
        return None if before is None else before.sets.next

    def handoffs(self, message: Handoffs, now_ms: int) -> tuple[tuple[Handoff, ...], StoreHeaders | None]:
        """The end of the epoch asked for, and the run that waits if it is proven now; raises `ProtocolError`.
        Every epoch's is asked for, none is hopped over: devices will want them from this validator, too."""
        run, rules, trusted = self._waiting, self._ledger.rules, self._trusted
        found = [one for one in message.handoffs if one.epoch == trusted.epoch]
        if run is None or not self.is_active or not found:
            return (), None
        self._trusted = verify_handoff(HandoffCase(rules.chain_id, rules.verify, trusted, found[0]))
        self._progress(now_ms)
        if self._trusted.epoch < self._waiting_epoch:
            return (found[0],), None
        self._waiting = None
        return (found[0],), self.headers(run, now_ms)

    def heard_of(self, root: bytes, now_ms: int) -> None:
        """A piece of something this attempt waits for has come."""
        if self._offer is not None and (root == self._offer.app.state_root or self._state is not None):
            self._progress(now_ms)

    # --- objects ------------------------------------------------------------------------------------------

    def step(self, want: Want) -> InstallCheckpoint | Refused | None:
        """Ask for what is missing, by `want`; the checkpoint when nothing is."""
        place = self._place()
        if place is None:
            return None
        offer, header = place
        if offer.app.root() != header.app_root:
            return self._lie(f"leaves of height {offer.height}")
        if self._state is None:
            want(ObjectKind.STATE, offer.app.state_root, OBJECT_BYTES_MAX, _is_state(offer.app.state_root))
        state = self._state
        if state is None:
            return None
        if state.app_leaves() != offer.app:
            return self._lie(f"state of height {offer.height}")
        for root in self._missing_models(state):
            want(
                ObjectKind.MODEL,
                root,
                4 * self._ledger.rules.genesis.manifest.parameter_count,
                _is_model(root),
            )
        peaks = peaks_from(offer.height + 1, self._archive.mmr_node)
        if self._missing_models(state) or peaks is None:
            return None
        return self._install(header, state, peaks)

    def _place(self) -> tuple[Checkpoint, Header] | None:
        """The offer and its header, once that is verified and on the disk."""
        if self._headers_at_ms is not None and self._archive.headers_to() + 1 >= self._peaks.size:
            self._headers_at_ms = None
        if self._offer is None or self._offer.height >= self._peaks.size:
            return None
        header = self._archive.header(self._offer.height)
        return None if header is None else (self._offer, header)

    def _lie(self, what: str) -> Refused:
        """What was offered is not what its header says."""
        liar = self._offerer
        self._offer_failed()
        return Refused(Reason.WRONG_HASH, liar, f"checkpoint: {what}")

    def _offer_failed(self) -> None:
        """Ask for another, and not soon the same peer."""
        self._distrusted = [*self._distrusted[1 - SUSPECTS_MAX :], self._offerer]
        self._begin()

    def _missing_models(self, state: ChainState) -> list[bytes]:
        roots = dict.fromkeys(base.model_root for base in state.bases)
        return [one for one in roots if one not in self._models and self._ledger.model(one) is None]

    def take(self, kind: ObjectKind, root: bytes, data: bytes) -> None:
        """An object that is what its root says; of no use any more when another attempt has begun."""
        if kind == ObjectKind.STATE and self._offer is not None and root == self._offer.app.state_root:
            self._state = decode_state(data)
        elif kind == ObjectKind.MODEL and self._state is not None:
            self._models[root] = data

    def _install(self, header: Header, state: ChainState, peaks: Peaks) -> InstallCheckpoint:
        header_hash = header.hash(self._ledger.rules.chain_id)
        certificate = self._archive.certificate_from(header.height)
        if certificate is not None and certificate.subject.hash != header_hash:
            certificate = None
        models = tuple(self._models.items())
        self._ledger.install(
            Tip(header_hash, header.height, header.slot, header.time_s, peaks, state), self._models
        )
        self._distrusted.clear()
        self._until_ms = None
        return InstallCheckpoint(header, header_hash, certificate, state, models, peaks)


def _is_state(root: bytes) -> Accept:
    def accept(data: bytes) -> bool:
        try:
            return decode_state(data).state_leaves().root() == root
        except ProtocolError:
            return False

    return accept


def _is_model(root: bytes) -> Accept:
    return lambda data: model_root(data) == root
