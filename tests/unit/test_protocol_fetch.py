"""[OBJ-5], [ASK-2], [ASK-3]: fetching in windows, from anybody, past silence and lies."""

from __future__ import annotations

from contextlib import suppress
from itertools import count, pairwise

import pytest

from edge_client.protocol.chunks import CHUNK_BYTES, WINDOW_CHUNKS, ObjectKind, Piece, blob_root, split
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.fetch import ACTIVE_MAX, PUSHES_MAX, RETRY_MAX_MS, RETRY_MS, Fetched, Fetcher
from edge_client.protocol.messages import Ask, GetChunks

DATA = bytes(range(256)) * 64 * 9 + b"tail"
PIECES = split(DATA)
ROOT = blob_root(DATA)


def fetcher(pushes_max: int = 0) -> Fetcher:
    nonces = count(1)
    return Fetcher(lambda: next(nonces), pushes_max)


def wanting() -> Fetcher:
    made = fetcher()
    assert made.want(ObjectKind.GRAPH, ROOT, len(DATA), is_data) is None
    return made


def is_data(data: bytes) -> bool:
    return blob_root(data) == ROOT


def wanted(ask: Ask) -> list[int]:
    """Chunks that an ask names; the first window when the number of chunks is not known yet."""
    assert isinstance(ask.question, GetChunks)
    assert (ask.question.kind, ask.question.root) == (ObjectKind.GRAPH, ROOT)
    return ask.question.wanted.indices() if ask.question.wanted.count else list(range(WINDOW_CHUNKS))


def answer(
    made: Fetcher, source: str, indices: list[int], now_ms: int, pieces: list[bytes] = PIECES
) -> tuple[Fetched | None, list[Ask]]:
    """Feed these chunks of `pieces`; the object if it got ready, and the asks since."""
    asks = []
    for index in indices:
        fetched, more = made.piece(source, ROOT, index, Piece(len(pieces), pieces[index]).encode(), now_ms)
        asks += more
        if fetched is not None:
            return fetched, asks
    return None, asks


def test_an_object_comes_window_by_window() -> None:
    made = wanting()
    asks, windows = made.due(0), []
    fetched = None
    while asks:
        assert len(asks) == 1
        windows.append(wanted(asks[0]))
        fetched, asks = answer(made, "a", windows[-1], now_ms=10)
    assert windows == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert fetched == Fetched(ObjectKind.GRAPH, ROOT, DATA)
    assert ROOT not in made
    assert made.deadline() is None


def test_what_is_held_is_not_asked_for_and_goes_on_where_it_was() -> None:
    made = wanting()
    (first,) = made.due(0)
    made.hold([ROOT])
    assert answer(made, "a", wanted(first), now_ms=10) == (None, []), "what is under way is taken, no more"
    assert made.deadline() is None
    assert made.due(1_000_000) == []
    made.hold([])
    (ask,) = made.due(1_000_000)
    assert (wanted(ask), ask.attempt) == ([4, 5, 6, 7], 0), "nobody was silent"
    fetched, _ = answer(made, "a", list(range(4, len(PIECES))), now_ms=1_000_010)
    assert fetched is not None


def test_what_is_held_takes_no_place_of_others() -> None:
    made = fetcher()
    roots = [bytes([number]) * 32 for number in range(ACTIVE_MAX + 1)]
    for root in roots:
        made.want(ObjectKind.MODEL, root, CHUNK_BYTES, lambda _data: True)
    made.hold(roots[:1])
    assert [ask.question.root for ask in made.due(0) if isinstance(ask.question, GetChunks)] == roots[1:]


def test_silence_asks_the_next_responder_and_ever_more_slowly() -> None:
    made = wanting()
    now, asked = 0, []
    for _ in range(40):
        (ask,) = made.due(now)
        asked.append((ask.attempt, now))
        deadline = made.deadline()
        assert deadline is not None
        assert made.due(deadline - 1) == []
        now = deadline
    assert [attempt for attempt, _ in asked] == list(range(40))
    waits = [later - earlier for (_, earlier), (_, later) in pairwise(asked)]
    assert waits[0] == RETRY_MS
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_MAX_MS


def test_a_lost_chunk_is_asked_for_again() -> None:
    made = wanting()
    made.due(0)
    answer(made, "a", [0, 1, 3], now_ms=10)
    assert made.due(10 + RETRY_MS - 1) == []
    (ask,) = made.due(10 + RETRY_MS)
    assert wanted(ask) == [2, 4, 5, 6]


def test_repeated_chunks_are_no_progress() -> None:
    made = wanting()
    made.due(0)
    answer(made, "a", [0], now_ms=10)
    answer(made, "a", [0], now_ms=RETRY_MS)
    assert made.due(10 + RETRY_MS) != []


def test_chunks_of_several_sources_make_one_object() -> None:
    made = wanting()
    made.due(0)
    answer(made, "a", [0, 2, 4, 6, 8], now_ms=1)
    fetched, _ = answer(made, "b", [1, 3, 5, 7, 9], now_ms=2)
    assert fetched is not None


def serve(made: Fetcher, rounds: int, liar: list[bytes]) -> Fetched | None:
    """A liar answers every ask first with its own pieces, an honest source after it."""
    now, asks = 0, made.due(0)
    for _ in range(rounds):
        while asks:
            more: list[Ask] = []
            for source, pieces in (("liar", liar), ("honest", PIECES)):
                for index in [i for ask in asks for i in wanted(ask) if i < len(pieces)]:
                    with suppress(ProtocolError):
                        fetched, new = answer(made, source, [index], now, pieces)
                        more += new
                        if fetched is not None:
                            return fetched
            asks = more
        deadline = made.deadline()
        assert deadline is not None
        now = max(now, deadline)
        asks = made.due(now)
    return None


@pytest.mark.parametrize(
    "liar",
    [
        [bytes(CHUNK_BYTES)] * 9 + [b"fake"],
        [bytes(CHUNK_BYTES)] * 3,
        [bytes(CHUNK_BYTES)] * 2 + [b"x"],
        [b"x"],
    ],
    ids=["wrong bytes", "never ends", "too few chunks", "one chunk"],
)
def test_a_fast_liar_delays_a_fetch_but_does_not_stop_it(liar: list[bytes]) -> None:
    fetched = serve(wanting(), 12, liar)
    assert fetched is not None
    assert fetched.data == DATA


def test_suspects_are_forgiven_when_nobody_else_answers() -> None:
    made = wanting()
    made.due(0)
    with pytest.raises(ProtocolError):
        answer(made, "a", list(range(10)), 1, [bytes(CHUNK_BYTES)] * 9 + [b"fake"])
    made.due(1)
    with pytest.raises(ProtocolError):
        answer(made, "a", list(range(10)), 2, [bytes(CHUNK_BYTES)] * 9 + [b"fake"])
    made.due(2)
    assert answer(made, "a", list(range(10)), 3) == (None, [])
    made.due(2 + RETRY_MS)
    assert answer(made, "a", list(range(10)), 4 + RETRY_MS)[0] is not None


def test_an_object_larger_than_announced_is_refused() -> None:
    made = wanting()
    made.due(0)
    with pytest.raises(ProtocolError) as caught:
        made.piece("a", ROOT, 0, Piece(11, PIECES[0]).encode(), 1)
    assert caught.value.reason == Reason.OVERSIZE


def test_only_some_wants_are_under_way_at_once() -> None:
    made = fetcher()
    for i in range(ACTIVE_MAX + 3):
        made.want(ObjectKind.GRAPH, bytes([i]) * 32, 10, is_data)
    assert len(made.due(0)) == ACTIVE_MAX
    made.forget(bytes(32))
    assert [ask.question.root[0] for ask in made.due(1) if isinstance(ask.question, GetChunks)] == [
        ACTIVE_MAX
    ]


def push(made: Fetcher, root: bytes, pieces: list[bytes]) -> None:
    for index, piece in enumerate(pieces):
        assert made.piece("leader", root, index, Piece(len(pieces), piece).encode(), 0) == (None, [])


def test_what_was_pushed_is_here_when_it_is_wanted() -> None:
    made = fetcher(PUSHES_MAX)
    push(made, ROOT, PIECES)
    assert made.want(ObjectKind.BLOCK, ROOT, len(DATA), is_data) == Fetched(ObjectKind.BLOCK, ROOT, DATA)
    assert ROOT not in made


def test_a_device_keeps_nothing_that_it_did_not_ask_for() -> None:
    made = fetcher()
    push(made, ROOT, PIECES)
    assert made.want(ObjectKind.GRAPH, ROOT, len(DATA), is_data) is None


def test_pushed_objects_are_bounded_in_number_and_size() -> None:
    made = fetcher(2)
    for i in range(3):
        push(made, bytes([i]) * 32, [b"small"])
    taken = [made.want(ObjectKind.BLOCK, bytes([i]) * 32, 10, lambda _: True) for i in range(3)]
    assert [one is not None for one in taken] == [False, True, True]
    with pytest.raises(ProtocolError) as caught:
        made.piece("leader", b"r" * 32, 0, Piece(65, bytes(CHUNK_BYTES)).encode(), 0)
    assert caught.value.reason == Reason.OVERSIZE


def test_a_false_push_is_asked_for_elsewhere() -> None:
    made = fetcher(PUSHES_MAX)
    push(made, ROOT, [b"not it"])
    assert made.want(ObjectKind.GRAPH, ROOT, len(DATA), is_data) is None
    assert len(made.due(0)) == 1
