"""How fast the light client verifies and stores: the real LightClient into the real ChainStore."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.chain.light_chain import Certified, LightChain
from benchmarks.chain.rates import blake2b_mb_per_s, verify_all_s
from edge_client.adapters.chain_store import ChainStore
from edge_client.adapters.device_database import DATABASE_FILE, open_device_database
from edge_client.core.events import SaveChain
from edge_client.core.light_client import Advanced, LightClient, Progress
from edge_client.protocol.header import Header
from edge_client.protocol.light import RUN_HEADERS_MAX, HeaderRun, LightBlock

RUN_VALIDATORS = 4
TURN_HEADERS = 8
"""Ours and bare verification change turns this often, so that both see the same busy machine."""


@dataclass(frozen=True, slots=True)
class Share:
    """Time per header: of the bare signature checks, of our verification, of our store; medians."""

    raw_us: float
    verify_us: float
    store_us: float
    signatures: int

    @property
    def of_limit(self) -> float:
        """1 would mean that everything but the signatures costs nothing."""
        return self.raw_us / (self.verify_us + self.store_us)

    @property
    def signatures_per_s(self) -> float:
        """What the bare binding verifies."""
        return self.signatures * 1e6 / self.raw_us


@dataclass(frozen=True, slots=True)
class Linked:
    """Rate of a hash-linked chain, what it takes on the disk, and BLAKE2b's own rate in the same seconds."""

    headers_per_s: float
    database_bytes_per_header: float
    blake2b_mb_per_s: float


def certified_share(folder: Path, validators: int, count: int) -> Share:
    """Verify and store `count` headers, each with its own certificate, as many to a transaction as one answer
    may hold; bare verification of the same signatures takes turns with ours."""
    chain = LightChain(validators)
    blocks = [chain.certified(header) for header in chain.headers(count)]
    client, headers, times = chain.client(), list[Header](), Times([], [], [])
    with closing(open_device_database(folder)) as database:
        store = ChainStore(database, chain.chain_id)
        for at in range(0, count, TURN_HEADERS):
            turn = blocks[at : at + TURN_HEADERS]
            times.raw_s.append(verify_all_s([signed for one in turn for signed in one.signed]))
            began_s = time.thread_time()  # it only computes; the store waits for the disk too
            headers += _follow(client, turn, chain.end_ms)
            times.verify_s.append(time.thread_time() - began_s)
            if len(headers) == RUN_HEADERS_MAX:
                began_s = time.perf_counter()
                store.save_chain(SaveChain(_linked(headers), client.tip, client.head, client.signing))
                times.store_s.append(time.perf_counter() - began_s)
                headers.clear()
        if headers or store.header_count() != count:
            raise RuntimeError(f"not every header was stored: {count} is no multiple of {RUN_HEADERS_MAX}")
    return times.share(len(blocks[0].signed))


@dataclass(frozen=True, slots=True)
class Times:
    """Of every turn, and of every transaction."""

    raw_s: list[float]
    verify_s: list[float]
    store_s: list[float]

    def share(self, signatures: int) -> Share:
        """Medians per header: an interruption falls on one turn and must not count for all."""
        raw_us, verify_us = (1e6 * median(times) / TURN_HEADERS for times in (self.raw_s, self.verify_s))
        return Share(raw_us, verify_us, 1e6 * median(self.store_s) / RUN_HEADERS_MAX, signatures)


def linked_rate(folder: Path, count: int) -> Linked:
    """Decode, link, verify and store `count` headers in the longest runs an answer may hold; median run."""
    chain = LightChain(RUN_VALIDATORS)
    headers = chain.headers(count)
    client, runs = chain.client(), chain.runs(headers)
    client.offer(LightBlock.decode(chain.certified(headers[-1]).wire), chain.end_ms)
    del headers  # a device that catches up does not hold a hundred thousand objects for the garbage collector
    run_s, hash_mb_per_s = [], []
    with closing(open_device_database(folder)) as database:
        store = ChainStore(database, chain.chain_id)
        for run in runs:
            hash_mb_per_s.append(blake2b_mb_per_s())
            began_s = time.perf_counter()
            progress = _advanced(client.take_run(HeaderRun.decode(run), chain.end_ms))
            store.save_chain(
                SaveChain(_linked(progress.headers), progress.tip, progress.head, progress.signing)
            )
            run_s.append(time.perf_counter() - began_s)
        if store.header_count() != count or client.head.height != count:
            raise RuntimeError("the light client did not follow to the end")
    size_bytes = (folder / DATABASE_FILE).stat().st_size
    return Linked(RUN_HEADERS_MAX / median(run_s), size_bytes / count, median(hash_mb_per_s))


def _follow(client: LightClient, turn: list[Certified], now_ms: int) -> Iterator[Header]:
    for one in turn:
        yield from _advanced(client.offer(LightBlock.decode(one.wire), now_ms)).headers


def _linked(headers: list[Header] | tuple[Header, ...]) -> tuple[bytes, ...]:
    """As the agent hands them to its store."""
    return tuple(header.encode_linked() for header in headers)


def _advanced(progress: Progress) -> Advanced:
    if not isinstance(progress, Advanced):
        raise TypeError(f"a valid chain was not followed: {progress}")
    return progress
