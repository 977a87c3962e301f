"""Decoders against hostile bytes: an input is refused with `DecodeError` or encodes to the same bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from benchmarks.figures import Value
from edge_client.protocol.body import encode_block
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.messages import encode_say, encode_validator_say
from edge_client.protocol.records import encode_record
from edge_client.protocol.update import UpdateBody
from tests.builders import TINY_MANIFEST, make_body
from tests.protocol_examples import Example, examples

CHUNK_INPUTS = 10_000
FLIPS_MAX = 8
RANDOM_BYTES_MAX = 600
SHOWN_MAX = 20
EXTREMES = (b"\x00", b"\xff", b"\x00\x00", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x01\x00")


@dataclass(frozen=True)
class Target:
    """A decoder, how its values are encoded, and one valid input."""

    name: str
    example: Example
    encode: Callable[[Any], bytes]


@cache
def targets() -> tuple[Target, ...]:
    """Every struct, list and message of the protocol."""
    encoders: dict[str, Callable[[Any], bytes]] = {
        "record ": encode_record,
        "say ": encode_say,
        "validators say ": encode_validator_say,
        "Block": lambda block: encode_block(*block),
    }
    found = [
        Target(name, example, next((e for start, e in encoders.items() if name.startswith(start)), _plainly))
        for name, example in examples().items()
    ]
    body, sizes = make_body(), TINY_MANIFEST.sizes
    return *found, Target(
        "UpdateBody", Example(body, body.encode(), lambda data: UpdateBody.decode(data, sizes)), _plainly
    )


def decoders(inputs: int) -> dict[str, Value]:
    """At least so many inputs, all kinds and all decoders alike."""
    done, wrong = 0, list[str]()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(_chunk, range(-(-inputs // CHUNK_INPUTS))):
            done += CHUNK_INPUTS
            wrong += found
            print(f"  {done:,} inputs, {len(wrong)} wrong", end="\r", file=sys.stderr, flush=True)
    for line in wrong[:SHOWN_MAX]:
        print(f"  {line}", flush=True)
    return {
        "decoders: inputs": done,
        "decoders: outcomes other than DecodeError or byte-identical re-encoding": len(wrong),
    }


def outcome(target: Target, data: bytes) -> str:
    """Empty when all is well, else what happened."""
    try:
        value = target.example.decode(data)
    except DecodeError:
        return ""
    except Exception as error:  # noqa: BLE001 - whatever else comes out is what we look for
        return f"{target.name}: {error!r} for {data.hex()}"
    return "" if target.encode(value) == data else f"{target.name}: another encoding of {data.hex()}"


def _chunk(seed: int) -> list[str]:
    draw = Random(seed)  # noqa: S311 - reproducible, not secret
    found = (outcome(target, data) for target, data in _inputs(draw))
    return [line for line in found if line]


def _inputs(draw: Random) -> Iterator[tuple[Target, bytes]]:
    kinds = (_random, _truncated, _flipped, _lying)
    for number in range(CHUNK_INPUTS):
        target = draw.choice(targets())
        yield target, kinds[number % len(kinds)](draw, target.example.data)


def _random(draw: Random, valid: bytes) -> bytes:
    """Of any length, or of the right one."""
    return draw.randbytes(len(valid) if draw.random() < 0.5 else draw.randrange(RANDOM_BYTES_MAX))


def _truncated(draw: Random, valid: bytes) -> bytes:
    """Cut short, or with something behind it."""
    if draw.random() < 0.2:
        return valid + draw.randbytes(draw.randint(1, 40))
    return valid[: draw.randrange(len(valid))] if valid else b""


def _flipped(draw: Random, valid: bytes) -> bytes:
    """A few bits."""
    data = bytearray(valid)
    for _ in range(draw.randint(1, FLIPS_MAX) if valid else 0):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _lying(draw: Random, valid: bytes) -> bytes:
    """A count or length that is not that of what follows: mostly near the front, where they stand."""
    lie = draw.choice((*EXTREMES, draw.randbytes(draw.randint(1, 4))))
    at = draw.randrange(min(len(valid), 16) if draw.random() < 0.5 else len(valid))
    return valid[:at] + lie + valid[at + len(lie) :]


def _plainly(value: Any) -> bytes:
    data: bytes = value.encode()
    return data
