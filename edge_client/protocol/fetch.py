"""Fetching objects by their root from whoever has them, a window of chunks at a time (PROTOCOL §Objects).

Used by devices and by validators alike. Pure bookkeeping: the owner publishes the asks it returns and feeds
it the pieces that come. Pieces of all sources go into one copy; should that copy turn out not to be the
object, it is fetched again from one source at a time, so that a source that lies spoils only its own copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_client.protocol.chunks import CHUNK_BYTES, WINDOW_CHUNKS, Assembly, Bitmap, ObjectKind, Piece
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.messages import Ask, GetChunks

RETRY_MS = 2000
RETRY_MAX_MS = 30_000
ACTIVE_MAX = 8
ATTEMPTS = 256
COPY_ATTEMPTS = 4
UNSOLICITED_MAX = 64

Accept = Callable[[bytes], bool]
"""Whether the bytes are the object asked for."""


@dataclass(slots=True)
class _Want:
    kind: ObjectKind
    root: bytes
    accept: Accept
    size_bytes_max: int
    nonce: int = 0
    attempt: int = 0
    ask_at_ms: int = 0
    window: set[int] = field(default_factory=set)
    copy: Assembly | None = None
    one_source: bool = False
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object that is here and is what its root says."""

    kind: ObjectKind
    root: bytes
    data: bytes


class Fetcher:
    """Wanted objects, at most `ACTIVE_MAX` of them under way; the rest wait in order."""

    def __init__(self, next_nonce: Callable[[], int]) -> None:
        self._next_nonce = next_nonce
        self._wants: dict[bytes, _Want] = {}
        self._unsolicited: dict[tuple[str, bytes], Assembly] = {}

    def __contains__(self, root: bytes) -> bool:
        return root in self._wants

    def want(self, kind: ObjectKind, root: bytes, size_bytes_max: int, accept: Accept) -> Fetched | None:
        """Ask for an object from now on; at once its bytes if they were pushed here before."""
        for key, copy in list(self._unsolicited.items()):
            if key[1] == root and copy.complete:
                del self._unsolicited[key]
                if accept(copy.data()):
                    return Fetched(kind, root, copy.data())
        if root not in self._wants:
            self._wants[root] = _Want(kind, root, accept, size_bytes_max, self._next_nonce())
        return None

    def forget(self, root: bytes) -> None:
        """No longer wanted."""
        self._wants.pop(root, None)

    def due(self, now_ms: int) -> list[Ask]:
        """Asks to publish now: the first of a want, or its window again to the next responder."""
        asks = []
        for want in list(self._wants.values())[:ACTIVE_MAX]:
            if want.ask_at_ms > now_ms:
                continue
            if want.ask_at_ms:
                want.attempt = (want.attempt + 1) % ATTEMPTS
                if want.one_source or want.attempt % COPY_ATTEMPTS == 0:
                    want.copy = want.source = None
            asks.append(self._ask(want, now_ms))
        return asks

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        active = list(self._wants.values())[:ACTIVE_MAX]
        return min((want.ask_at_ms for want in active), default=None)

    def _ask(self, want: _Want, now_ms: int) -> Ask:
        want.ask_at_ms = now_ms + min(RETRY_MS << min(want.attempt // 4, 8), RETRY_MAX_MS)
        want.window = set(want.copy.missing[:WINDOW_CHUNKS]) if want.copy else set()
        wanted = Bitmap.of(want.copy.count, sorted(want.window)) if want.copy else Bitmap(0, 0)
        return Ask(want.nonce, want.attempt, GetChunks(want.kind, want.root, wanted))

    def piece(
        self, source: str, root: bytes, index: int, payload: bytes, now_ms: int
    ) -> tuple[Fetched | None, list[Ask]]:
        """Take one chunk message; the object if it is whole, and asks to publish. Raises `ProtocolError`."""
        piece = Piece.decode(payload)
        want = self._wants.get(root)
        if want is None:
            self._push(source, root, index, piece)
            return None, []
        if want.source not in (None, source):
            return None, []
        copy = self._copy(want, source, piece.count)
        copy.add(index, piece.data)
        want.window.discard(index)
        if copy.complete:
            return self._finish(want, source, copy), []
        want.ask_at_ms = now_ms + RETRY_MS
        return None, [] if want.window else [self._ask(want, now_ms)]

    def _copy(self, want: _Want, source: str, count: int) -> Assembly:
        if want.copy is None:
            if (count - 1) * CHUNK_BYTES >= want.size_bytes_max:
                raise ProtocolError(Reason.OVERSIZE, f"object of {count} chunks")
            want.copy = Assembly(count)
            want.window = set(range(min(WINDOW_CHUNKS, count)))
            want.source = source if want.one_source else None
        elif want.copy.count != count:
            raise ProtocolError(Reason.MALFORMED, f"object of {count} chunks, not {want.copy.count}")
        return want.copy

    def _finish(self, want: _Want, source: str, copy: Assembly) -> Fetched:
        data = copy.data()
        if want.accept(data):
            del self._wants[want.root]
            return Fetched(want.kind, want.root, data)
        want.copy = want.source = None
        want.one_source, want.ask_at_ms = True, 1
        raise ProtocolError(Reason.WRONG_HASH, f"{want.kind.name} from {source}")

    def _push(self, source: str, root: bytes, index: int, piece: Piece) -> None:
        """Keep what a validator sends before anybody asked (a leader's block), within a bound."""
        copy = self._unsolicited.get((source, root))
        if copy is None:
            if piece.count > UNSOLICITED_MAX:
                raise ProtocolError(Reason.OVERSIZE, f"unasked object of {piece.count} chunks")
            if len(self._unsolicited) >= UNSOLICITED_MAX:
                del self._unsolicited[next(iter(self._unsolicited))]
            copy = self._unsolicited[source, root] = Assembly(piece.count)
        copy.add(index, piece.data)
