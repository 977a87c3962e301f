"""Fetching objects by their root from whoever has them, a window of chunks at a time [OBJ-5] [ASK-3].

Used by devices and by validators alike. Pure bookkeeping: the owner publishes the asks it returns and feeds
it the pieces that come. Pieces of all sources go into one copy. A copy that does not get ready, or turns out
not to be the object, is thrown away; from then on a copy is made of one source's pieces, and a source whose
copy came to nothing waits until the others had their turn. So whoever lies, however fast, delays a fetch and
does not stop it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from edge_client.protocol.chunks import CHUNK_BYTES, WINDOW_CHUNKS, Assembly, Bitmap, ObjectKind, Piece
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.messages import Ask, GetChunks

RETRY_MS = 2000
RETRY_MAX_MS = 30_000
ACTIVE_MAX = 8
ATTEMPTS = 256
COPY_ATTEMPTS = 4
SUSPECTS_MAX = 16
PUSHES_MAX = 4
PUSHED_CHUNKS_MAX = 64

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
    suspects: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object that is here and is what its root says."""

    kind: ObjectKind
    root: bytes
    data: bytes


class Fetcher:
    """Wanted objects, at most `ACTIVE_MAX` of them under way; the rest wait in order."""

    def __init__(self, next_nonce: Callable[[], int], pushes_max: int = 0) -> None:
        """`pushes_max` objects that nobody asked for are kept of each source, so that none displaces those of
        others; the caller knows its sources. A device, short of memory, keeps none."""
        self._next_nonce = next_nonce
        self._pushes_max = pushes_max
        self._wants: dict[bytes, _Want] = {}
        self._held: frozenset[bytes] = frozenset()
        self._pushed: dict[tuple[str, bytes], Assembly] = {}

    def __contains__(self, root: bytes) -> bool:
        return root in self._wants

    def __iter__(self) -> Iterator[bytes]:
        """Roots that are wanted."""
        return iter(self._wants)

    def want(self, kind: ObjectKind, root: bytes, size_bytes_max: int, accept: Accept) -> Fetched | None:
        """Ask for an object from now on; at once its bytes if they were pushed here before."""
        for key, copy in list(self._pushed.items()):
            if key[1] == root and copy.complete:
                del self._pushed[key]
                if accept(copy.data()):
                    return Fetched(kind, root, copy.data())
        if root not in self._wants:
            self._wants[root] = _Want(kind, root, accept, size_bytes_max, self._next_nonce())
        return None

    def forget(self, root: bytes) -> None:
        """No longer wanted."""
        self._wants.pop(root, None)

    def hold(self, roots: Iterable[bytes]) -> None:
        """Ask for none of these until they are held no more; what still comes is kept, and nobody is blamed
        for the time between."""
        held = frozenset(roots)
        for root in held ^ self._held:
            if root in self._wants:
                self._wants[root].ask_at_ms = 0
        self._held = held

    def forget_pushed(self) -> None:
        """Drop what was pushed and not asked for: its sources may have changed."""
        self._pushed.clear()

    def due(self, now_ms: int) -> list[Ask]:
        """Asks to publish now: the first of a want, or its window again to the next responder."""
        asks = []
        for want in self._active():
            if want.ask_at_ms > now_ms:
                continue
            if want.ask_at_ms:
                want.attempt = (want.attempt + 1) % ATTEMPTS
                if want.one_source or want.attempt % COPY_ATTEMPTS == 0:
                    _start_again(want)
            asks.append(self._ask(want, now_ms))
        return asks

    def deadline(self) -> int | None:
        """When `due` has something to say."""
        return min((want.ask_at_ms for want in self._active()), default=None)

    def _active(self) -> list[_Want]:
        return [want for want in self._wants.values() if want.root not in self._held][:ACTIVE_MAX]

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
        if source in want.suspects or (want.one_source and want.source not in (None, source)):
            return None, []
        copy = self._copy(want, source, piece.count)
        is_new = index not in copy
        copy.add(index, piece.data)
        want.window.discard(index)
        if copy.complete:
            return self._finish(want, source, copy), []
        if is_new:
            want.ask_at_ms = now_ms + RETRY_MS
        return None, [] if want.window or root in self._held else [self._ask(want, now_ms)]

    def _copy(self, want: _Want, source: str, count: int) -> Assembly:
        if want.copy is None:
            if (count - 1) * CHUNK_BYTES >= want.size_bytes_max:
                raise ProtocolError(Reason.OVERSIZE, f"object of {count} chunks")
            want.copy = Assembly(count)
            want.window = set(range(min(WINDOW_CHUNKS, count)))
            want.source = source
        elif want.copy.count != count:
            raise ProtocolError(Reason.MALFORMED, f"object of {count} chunks, not {want.copy.count}")
        return want.copy

    def _finish(self, want: _Want, source: str, copy: Assembly) -> Fetched:
        data = copy.data()
        if want.accept(data):
            del self._wants[want.root]
            return Fetched(want.kind, want.root, data)
        want.source = source if want.one_source else None
        _start_again(want)
        want.attempt, want.ask_at_ms = (want.attempt + 1) % ATTEMPTS, 0
        raise ProtocolError(Reason.WRONG_HASH, f"{want.kind.name} from {source}")

    def _push(self, source: str, root: bytes, index: int, piece: Piece) -> None:
        """Keep what a validator sends before anybody asked (a leader's block), within a bound."""
        if not self._pushes_max:
            return
        copy = self._pushed.get((source, root))
        if copy is None:
            if piece.count > PUSHED_CHUNKS_MAX:
                raise ProtocolError(Reason.OVERSIZE, f"unasked object of {piece.count} chunks")
            own = [key for key in self._pushed if key[0] == source]
            if len(own) >= self._pushes_max:
                del self._pushed[own[0]]
            copy = self._pushed[source, root] = Assembly(piece.count)
        copy.add(index, piece.data)


def _start_again(want: _Want) -> None:
    """Throw the copy away and suspect whoever began it. Without a copy nobody else answered: forgive the one
    suspected longest, so that in the end everybody has a turn alone."""
    if want.copy is None or len(want.suspects) >= SUSPECTS_MAX:
        del want.suspects[:1]
    if want.copy is not None:
        want.one_source = True
        if want.source is not None:
            want.suspects.append(want.source)
    want.copy = want.source = None
