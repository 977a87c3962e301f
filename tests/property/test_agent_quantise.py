from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_client.core.quantise import dequantise, quantise
from edge_client.protocol.update import CODE_MAX, EXPONENT_MAX, EXPONENT_MIN

TENSORS = st.lists(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(max_dims=3, max_side=6),
        elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
    ),
    min_size=1,
    max_size=4,
)


@given(TENSORS, st.binary(min_size=32, max_size=32))
def test_codes_are_in_range_and_nothing_is_lost(delta: list[np.ndarray], seed: bytes) -> None:
    body, residue = quantise(delta, seed)
    assert all(EXPONENT_MIN <= one <= EXPONENT_MAX for one in body.exponents)
    assert int(np.abs(body.codes.astype(int)).max()) <= CODE_MAX
    back = dequantise(body, [one.shape for one in delta])
    for exponent, given_values, got, left in zip(body.exponents, delta, back, residue, strict=True):
        np.testing.assert_array_equal(left, given_values - got)
        inside = np.abs(given_values) <= CODE_MAX * 2.0**exponent
        assert (np.abs(left[inside]) <= 2.0**exponent * (1 + 1e-6)).all()
