"""Golden vectors: bytes and hashes that a second implementation must reproduce, and that may never change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocol_examples import VECTORS, current, examples


def stored(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("name", ["structs.json", "hashes.json", "orders.json"])
def test_the_code_still_says_what_was_written_down(name: str) -> None:
    assert current()[name] == stored(name)


def test_stored_bytes_decode_to_the_values_they_were_made_from() -> None:
    vectors = stored("structs.json")
    for name, example in examples().items():
        assert example.decode(bytes.fromhex(vectors[name])) == example.value
