"""Updates on their way in: offers, chunks, what is missing, and what to tell the device (PROTOCOL §Updates).

An upload is accepted only behind a head that could count right now, so a stranger cannot make a validator
hold memory; every device has at most `UPLOADS_PER_DEVICE_MAX` open uploads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_client.protocol.chunks import CHUNK_BYTES, Assembly, Bitmap, chunk_count
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.execution.checks import Rules, check_update
from edge_client.protocol.keys import node_id
from edge_client.protocol.messages import MissingChunks, UpdateOffer
from edge_client.protocol.state import ChainState
from edge_client.protocol.update import UpdateBody, update_root

UPLOADS_MAX = 2048
UPLOADS_BYTES_MAX = 256 << 20
UPLOADS_PER_DEVICE_MAX = 2
QUIET_MS = 1000
QUIET_MAX_MS = 60_000


@dataclass(slots=True)
class Upload:
    """One open upload and when to ask its device for what is missing."""

    device: str
    offer: UpdateOffer
    assembly: Assembly
    ask_at_ms: int
    quiet_ms: int = QUIET_MS


@dataclass(frozen=True, slots=True)
class Complete:
    """An upload that is all here and whose body parses."""

    offer: UpdateOffer
    body: bytes


@dataclass(slots=True)
class Ingest:
    """All open uploads."""

    rules: Rules
    uploads: dict[bytes, Upload] = field(default_factory=dict)

    def check_own(self, device: str, offer: UpdateOffer, state: ChainState) -> None:
        """Raise `ProtocolError` unless the update root covers this device's own key, the round, the size and
        the chunks. Before that, nothing may be signed about the root: anybody can write it into a head."""
        head = offer.head
        account = state.accounts.get(head.account)
        if account is None:
            raise ProtocolError(Reason.UNREGISTERED, f"account {head.account}")
        if node_id(account.public_key) != device:
            raise ProtocolError(Reason.WRONG_SENDER, f"account {head.account} is not {device}")
        if update_root(account.public_key, head.round, head.size, offer.chunk_hashes) != head.update_root:
            raise ProtocolError(Reason.WRONG_HASH, "update root does not cover the chunk hashes")

    def offer(self, device: str, offer: UpdateOffer, state: ChainState, now_ms: int) -> MissingChunks | None:
        """Open an upload that `check_own` passed, or find it again and say what it lacks: of a new one the
        chunks are under way. Raises `ProtocolError` when its head cannot count."""
        head = offer.head
        check_update(self.rules, state, head)
        upload = self.uploads.get(head.update_root)
        if upload is not None:
            return _missing(upload)
        self._make_room(device)
        assembly = Assembly(chunk_count(head.size), offer.chunk_hashes)
        self.uploads[head.update_root] = Upload(device, offer, assembly, now_ms + QUIET_MS)
        return None

    def _make_room(self, device: str) -> None:
        """A device displaces its own oldest upload; one that finds no place, the upload that is silent
        longest: who sends nothing cannot keep out who does."""
        own = [root for root, upload in self.uploads.items() if upload.device == device]
        if len(own) >= UPLOADS_PER_DEVICE_MAX:
            del self.uploads[own[0]]
        elif len(self.uploads) >= self._uploads_max():
            del self.uploads[max(self.uploads, key=lambda root: self.uploads[root].quiet_ms)]

    def _uploads_max(self) -> int:
        """Open uploads are in memory, and all bodies of a chain have the same size."""
        body_bytes = self.rules.genesis.manifest.parameter_count
        return min(UPLOADS_MAX, max(UPLOADS_PER_DEVICE_MAX, UPLOADS_BYTES_MAX // body_bytes))

    def chunk(self, device: str, root: bytes, index: int, data: bytes, now_ms: int) -> Complete | None:
        """Take a chunk; raises `ProtocolError`. Chunks of unknown uploads are dropped silently: their offer
        may have been lost, and the device offers again."""
        upload = self.uploads.get(root)
        if upload is None:
            return None
        if upload.device != device:
            raise ProtocolError(Reason.WRONG_SENDER, "chunk of another device's update")
        if len(data) > CHUNK_BYTES:
            raise ProtocolError(Reason.OVERSIZE, f"chunk {index} of {len(data)} bytes")
        upload.assembly.add(index, data)
        upload.ask_at_ms, upload.quiet_ms = now_ms + QUIET_MS, QUIET_MS
        if not upload.assembly.complete:
            return None
        del self.uploads[root]
        body = upload.assembly.data()
        if len(body) != upload.offer.head.size:
            raise ProtocolError(Reason.WRONG_SHAPE, f"body of {len(body)} bytes")
        UpdateBody.decode(body, self.rules.genesis.manifest.sizes)
        return Complete(upload.offer, body)

    def overdue(self, now_ms: int) -> list[tuple[str, MissingChunks]]:
        """Devices to remind of missing chunks; reminders of one upload get rarer, up to once a minute."""
        reminders = []
        for upload in self.uploads.values():
            if upload.ask_at_ms <= now_ms:
                upload.quiet_ms = min(2 * upload.quiet_ms, QUIET_MAX_MS)
                upload.ask_at_ms = now_ms + upload.quiet_ms
                reminders.append((upload.device, _missing(upload)))
        return reminders

    def deadline(self) -> int | None:
        """When the next reminder is due."""
        return min((upload.ask_at_ms for upload in self.uploads.values()), default=None)

    def settle(self, state: ChainState) -> None:
        """Forget uploads that cannot count any more."""
        for root, upload in list(self.uploads.items()):
            try:
                check_update(self.rules, state, upload.offer.head)
            except ProtocolError:
                del self.uploads[root]


def _missing(upload: Upload) -> MissingChunks:
    missing = Bitmap.of(upload.assembly.count, upload.assembly.missing)
    return MissingChunks(upload.offer.head.update_root, missing)
