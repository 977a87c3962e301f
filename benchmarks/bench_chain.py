"""`make bench-chain`: how fast consensus and the light client are, beside what the bare libraries allow.

`ARGS=--quick` takes less than two minutes: fewer headers, fewer rounds, the same code.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chain.finality import FinalityPlan, measure_finality
from benchmarks.chain.following import certified_share, linked_rate
from benchmarks.chain.wake_up import bundle_kb, fresh_bundle_kb, hop_kb, wake_up_cpu_ms
from benchmarks.figures import Value, report
from edge_client.protocol.validators import quorum

TARGET = "bench-chain"
LINKED_PER_S_MIN = 100_000
LINKED_PER_S_REFERENCE = 138_000
BLAKE2B_MB_PER_S_REFERENCE = 691.0
"""The machine whose limit was 138k headers/s hashed 659 MiB/s."""
LINKED_SHARE_MIN = 0.7
LINKED_ROW = (
    "headers hash-linked under one QC (larger of value/100k and value/(0.7 x 138k scaled by BLAKE2b rate))"
)
FEW, SOME, MANY = 4, 7, 16
Row = tuple[str, Value, str]
"""Name in bounds.toml, value, what a reader must know of it."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is measured; header counts are multiples of what one answer may hold."""

    certified_headers: int
    linked_headers: int
    rounds_few: int
    rounds_many: int
    wake_ups: int


FULL = Amount(certified_headers=8_192, linked_headers=204_800, rounds_few=100, rounds_many=50, wake_ups=100)
QUICK = Amount(certified_headers=2_048, linked_headers=102_400, rounds_few=20, rounds_many=12, wake_ups=25)


def following_rows(folder: Path, amount: Amount) -> Iterator[Row]:
    """The light client."""
    for validators in (FEW, MANY):
        share = certified_share(folder / f"certified-{validators}", validators, amount.certified_headers)
        name = f"verify+store, QC per header, {quorum(validators)} signatures"
        parts = f"{share.verify_us:.0f} us to verify and {share.store_us:.0f} us to store a header"
        yield name, share.of_limit, f"{parts}, bare signature checks {share.raw_us:.0f} us; medians of turns"
        if validators == MANY:
            yield "Ed25519 verifications of this machine", share.signatures_per_s, "PyNaCl's binding alone"
    linked = linked_rate(folder / "linked", amount.linked_headers)
    scaled = LINKED_PER_S_REFERENCE * linked.blake2b_mb_per_s / BLAKE2B_MB_PER_S_REFERENCE
    reached = max(linked.headers_per_s / LINKED_PER_S_MIN, linked.headers_per_s / (LINKED_SHARE_MIN * scaled))
    yield (
        LINKED_ROW,
        reached,
        f"{linked.headers_per_s:,.0f} headers/s, one certificate and one synced transaction for each 1,024",
    )
    yield "BLAKE2b rate of this machine", linked.blake2b_mb_per_s, "8 MiB inputs, in the same seconds"
    yield "SQLite a round", linked.database_bytes_per_header, f"{amount.linked_headers:,} headers"


def finality_rows(folder: Path, amount: Amount) -> Iterator[Row]:
    """Real validators on a real Mosquitto."""
    for validators, rounds in ((FEW, amount.rounds_few), (MANY, amount.rounds_many)):
        load_before = os.getloadavg()[0]
        found = measure_finality(FinalityPlan(folder / f"finality-{validators}", validators, rounds))
        times = found.finality_ms
        cpu = f"{found.validators_cpu_ms:.0f} ms CPU of all validators a round"
        yield (
            f"finality p50 over Mosquitto on loopback, {validators} validators",
            times.p50,
            f"p95 {times.p95} ms, {rounds} rounds, {cpu}; load average before {load_before:.1f}",
        )


def wake_up_rows(folder: Path, amount: Amount) -> Iterator[Row]:
    """A device one block behind."""
    value = wake_up_cpu_ms(folder / "wake-up", MANY, amount.wake_ups)
    note = "one answer: head, certificate, own update, account; verified, and two synced transactions"
    yield "a device's CPU for one wake-up at 16 validators", value, note


def weight_rows(_folder: Path, _amount: Amount) -> Iterator[Row]:
    """What an answer weighs at the heights up to a million where it weighs most."""
    near = "1,000 accounts, 128 updates a block; the old tip is proven by where the extension starts"
    far = "an update in any block; signatures counted at 64 bytes"
    for validators in (FEW, SOME, MANY):
        name = f"wake-up bundle, n = {validators}: "
        yield f"{name}head + QC + own update + balance", bundle_kb(validators), near
        rest = "with old-head proof and f+1 freshness signatures"
        yield f"{name}{rest}", fresh_bundle_kb(validators), far
    yield "wake-up bundle: a hop", hop_kb(MANY), "16 validators, two seats change"


def main(arguments: list[str] | None = None) -> int:
    """Measure everything; returns 0 when every figure holds, else 1."""
    parser = argparse.ArgumentParser(prog="bench_chain", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shortened work, at most two minutes")
    quick: bool = parser.parse_args(arguments).quick
    amount = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-chain-") as folder:
        parts = (weight_rows, following_rows, wake_up_rows, finality_rows)
        rows = [row for part in parts for row in part(Path(folder), amount)]
    values: dict[str, Value] = {name: value for name, value, _ in rows}
    notes = {name: note for name, _, note in rows}
    return 0 if all(figure.holds for figure in report(TARGET, values, notes=notes, quick=quick)) else 1


if __name__ == "__main__":
    sys.exit(main())
