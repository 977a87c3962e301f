"""The local hold-out: a tenth, the same tenth for ever, and never trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edge_client.adapters.data.hold_out import is_held_out
from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.data.source import Array, DataError, Raw, Request
from tests.builders import TINY_MANIFEST

RANDOM = np.random.default_rng(3)
X = RANDOM.integers(0, 256, (2000, 3), dtype=np.uint8)
Y = RANDOM.integers(0, 2, 2000)


@dataclass(frozen=True)
class Given:
    """A source of arrays."""

    x: Array
    y: Array
    text: str = "test:"

    def there(self) -> bool:
        return True

    def read(self, request: Request) -> Raw:
        return Raw(self.text, self.x, self.y)


def sides(x: Array, y: Array) -> tuple[set[bytes], set[bytes]]:
    """What is trained on and what is held out."""
    loaded = OwnData(Given(x, y)).load(TINY_MANIFEST, 0)
    assert loaded.hold_out is not None
    train, out = ({part.x[row].tobytes() for row in part.indices} for part in (loaded.train, loaded.hold_out))
    return train, out


def test_a_tenth_and_never_trained_on() -> None:
    train, out = sides(X, Y)
    assert not train & out
    assert train | out == {row.tobytes() for row in X}
    assert 0.07 < len(out) / len(train | out) < 0.13


def test_a_sample_never_changes_sides() -> None:
    _, small = sides(X[:500], Y[:500])
    order = RANDOM.permutation(len(X))
    train, out = sides(X[order], 1 - Y[order])
    assert small <= out
    assert not small & train


def test_how_a_sample_is_stored_does_not_matter() -> None:
    rows = range(200)
    assert [is_held_out(X[row]) for row in rows] == [is_held_out(X[row].astype(np.float32)) for row in rows]
    assert [is_held_out(X[:, ::-1][row]) for row in rows] == [
        is_held_out(X[row, ::-1].copy()) for row in rows
    ]
    assert is_held_out(np.array([-0.0, 1.0], np.float32)) == is_held_out(np.array([0.0, 1.0], np.float32))


def test_both_parts_share_one_array() -> None:
    loaded = OwnData(Given(X, Y)).load(TINY_MANIFEST, 0)
    assert loaded.hold_out is not None
    assert loaded.train.x is loaded.hold_out.x is X


def test_data_that_all_fall_into_it() -> None:
    held = next(row for row in X if is_held_out(row))
    with pytest.raises(DataError, match="too few or too alike"):
        OwnData(Given(np.stack([held] * 5), Y[:5])).load(TINY_MANIFEST, 0)


def test_data_of_which_none_fall_into_it() -> None:
    trained = np.stack([row for row in X[:20] if not is_held_out(row)])
    loaded = OwnData(Given(trained, Y[: len(trained)])).load(TINY_MANIFEST, 0)
    assert loaded.hold_out is None
    assert loaded.hold_out_count == 0
