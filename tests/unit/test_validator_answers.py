"""Answers to questions: header runs, chunks, claims; bounds on what one question costs."""

from __future__ import annotations

import pytest

from broker.adapters.memory_store import MemoryStore
from broker.core.answers import ANSWER_CHUNKS_MAX, header_run, pieces
from broker.core.effects import StoreBlock, StoreFinal
from broker.core.ledger import included_updates
from edge_client.protocol.chunks import CHUNK_BYTES, CHUNKS_MAX, Bitmap, ObjectKind, Piece
from edge_client.protocol.light import RUN_HEADERS_MAX
from edge_client.protocol.messages import GetChunks, GetHeaders
from tests.builders import ChainMaker, chain_of

ROOT = b"r" * 32


def final_store(chain: ChainMaker, uncertified: tuple[int, ...] = ()) -> MemoryStore:
    """A disk on which the chain's blocks are final; those heights lack a certificate of their own."""
    store = MemoryStore({(ObjectKind.GENESIS, chain.chain_id): b""})
    for height, (header, body) in enumerate(zip(chain.headers, chain.bodies, strict=True), 1):
        block_hash = header.hash(chain.chain_id)
        certificate = None if height in uncertified else chain.certificate(height)
        state, peaks = chain.states[height], chain.peaks(height)
        accounts = tuple(enumerate(state.accounts))
        store.store_block(StoreBlock(block_hash, bytes(32), header, body))
        inclusions = included_updates(body)
        store.store_final(
            StoreFinal(header, block_hash, certificate, state, accounts, None, inclusions, peaks)
        )
    return store


@pytest.fixture(scope="module")
def chain() -> ChainMaker:
    """Height 5."""
    made = chain_of(3)
    for _ in range(4):
        made.close_round()
    return made


# --- headers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "ends_at"),
    [(1, 5, 5), (2, 3, 4), (4, 4, 4), (1, 1, 1), (6, 6, None), (3, 9, 5), (6, 9, None)],
)
def test_a_run_ends_at_the_first_certificate_at_or_above_what_was_asked_or_else_at_the_last(
    chain: ChainMaker, first: int, last: int, ends_at: int | None
) -> None:
    run = header_run(final_store(chain, uncertified=(3,)), GetHeaders(first, last))
    if ends_at is None:
        assert run is None
        return
    assert run is not None
    assert run.first_height == first
    assert run.linked == tuple(header.encode_linked() for header in chain.headers[first - 1 : ends_at])
    assert run.finality == chain.finality(ends_at)


def test_a_run_is_bounded_however_much_is_asked() -> None:
    asked = []

    class Endless(MemoryStore):
        def certificate_from(self, height: int) -> None:
            asked.append(height)

        def certificate_to(self, height: int) -> None:
            asked.append(height)

    assert header_run(Endless({}), GetHeaders(1, 2**32 - 1)) is None
    assert asked == [RUN_HEADERS_MAX // 2] * 2


# --- chunks ----------------------------------------------------------------------------------------------

DATA = bytes(range(256)) * 64 * 19 + b"tail"


def answered(count: int, indices: list[int], data: bytes = DATA) -> list[int]:
    store = MemoryStore({(ObjectKind.GRAPH, ROOT): data})
    answers = pieces(store, GetChunks(ObjectKind.GRAPH, ROOT, Bitmap.of(count, indices)))
    for index, payload in answers:
        piece = Piece.decode(payload)
        assert piece.data == data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        assert piece.count == max(1, -(-len(data) // CHUNK_BYTES))
    return [index for index, _ in answers]


@pytest.mark.parametrize(
    ("count", "indices", "answer"),
    [
        (0, [], [0, 1, 2, 3]),
        (20, [], []),
        (20, [19], [19]),
        (20, [3, 1], [1, 3]),
        (20, list(range(20)), list(range(ANSWER_CHUNKS_MAX))),
        (19, [1], []),
        (21, [20], []),
        (CHUNKS_MAX, list(range(CHUNKS_MAX)), []),
    ],
)
def test_the_wanted_chunks_are_answered_within_a_bound(
    count: int, indices: list[int], answer: list[int]
) -> None:
    assert answered(count, indices) == answer


def test_an_empty_object_has_one_empty_piece() -> None:
    assert answered(0, [], b"") == [0]


@pytest.mark.parametrize(("kind", "root"), [(ObjectKind.GRAPH, bytes(32)), (ObjectKind.MODEL, ROOT)])
def test_what_is_not_here_gets_no_answer(kind: ObjectKind, root: bytes) -> None:
    store = MemoryStore({(ObjectKind.GRAPH, ROOT): DATA})
    assert pieces(store, GetChunks(kind, root, Bitmap(0, 0))) == []
