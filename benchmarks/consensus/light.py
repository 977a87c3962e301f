"""The light client and its vectors: all pass, every lenient twin is noticed, every flipped byte refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.figures import Value
from edge_client.protocol.keys import verify
from tests.light_mutants import MUTANTS, applied
from tests.light_vectors import Device, mismatches, stored
from tests.unit.test_protocol_keys import CASES

Json = Mapping[str, Any]
FLIPS = (0xFF, *(1 << bit for bit in range(8)))
FLIPPED = {
    "next_block": "block",
    "run_to_the_head": "run",
    "account_0_of_three": "account",
    "update_included": "inclusion",
    "proof_against_a_checkpoint": "proof",
}
"""Vectors whose last step is a valid part of what a waking device gets, and where its bytes stand."""

CANNOT_MATTER: dict[tuple[str, int], str] = {}
"""(vector, byte): why a flip of this byte is taken and harms nothing."""


def vectors() -> dict[str, Value]:
    """Share of files that pass."""
    found = stored()
    wrong = {name: list(mismatches(vector)) for name, vector in found.items()}
    for line in (line for lines in wrong.values() for line in lines):
        print(f"  {line}", flush=True)
    passed = sum(not lines for lines in wrong.values())
    print(f"  {passed} of {len(found)} vectors pass", flush=True)
    return {"JSON vectors that pass": passed / len(found)}


def mutants() -> dict[str, Value]:
    """Share of lenient twins that at least one vector notices."""
    found, killed = list(stored().values()), 0
    for name, mutant in MUTANTS.items():
        with applied(mutant):
            noticed = next((line for vector in found for line in mismatches(vector)), None)
        killed += noticed is not None
        if noticed is None:
            print(f"  predicate mutant {name!r} NOT NOTICED", flush=True)
    print(f"  {killed} of {len(MUTANTS)} predicate mutants noticed", flush=True)
    return {
        "predicate mutants tried": len(MUTANTS),
        "predicate mutants killed by our own vectors": killed / len(MUTANTS),
    }


def flips() -> dict[str, Value]:
    """Share of bytes of which every flip (each bit, and all eight) is refused or listed."""
    held = count = 0
    for name, key in FLIPPED.items():
        vector = stored()[name]
        for at in range(len(vector["steps"][-1][key]) // 2):
            harmful = [flip for flip in FLIPS if taken(vector, key, at, flip)]
            listed = (name, at) in CANNOT_MATTER
            if harmful and not listed:
                print(f"  {name}, byte {at}: taken after flips {harmful}", flush=True)
            held, count = held + (listed or not harmful), count + 1
    print(f"  {held:,} of {count:,} bytes, {len(CANNOT_MATTER)} of them listed", flush=True)
    return {"bytes of a valid bundle whose flip is refused or listed with the reason": held / count}


def taken(vector: Json, key: str, at: int, flip: int) -> bool:
    """Whether the last step of a vector still succeeds with this byte flipped."""
    *before, last = vector["steps"]
    device = Device(vector)
    for step in before:
        device.verdict(step)
    data = bytearray(bytes.fromhex(last[key]))
    data[at] ^= flip
    return device.verdict({**last, key: data.hex()}).startswith(("advanced", "proven"))


def ed25519() -> dict[str, Value]:
    """How many of the twelve cases on which libraries disagree get the pinned verdict."""
    right = sum(pinned is verify(case.key, case.message, case.signature) for case, pinned in _edge_cases())
    return {"Ed25519 edge cases with the pinned verdict": right}


def _edge_cases() -> Iterator[tuple[Any, bool]]:
    for build, pinned in CASES.values():
        yield build(), pinned
