"""[MINT-1], [MINT-2]: largest remainders, ties to the lower account."""

from __future__ import annotations

import pytest

from edge_client.protocol.execution.mint import shares


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        (10, [], []),
        (10, [0, 0], [0, 0]),
        (10, [1, 1], [5, 5]),
        (10, [1, 1, 1], [4, 3, 3]),
        (11, [1, 1, 1], [4, 4, 3]),
        (1, [1, 2], [0, 1]),
        (0, [3, 4], [0, 0]),
        (7, [0, 5], [0, 7]),
        (100, [1, 998, 1], [0, 100, 0]),
    ],
)
def test_shares(amount: int, weights: list[int], expected: list[int]) -> None:
    assert shares(amount, weights) == expected
