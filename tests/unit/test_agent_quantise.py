from __future__ import annotations

import numpy as np
import pytest

from edge_client.core.quantise import (
    DRAWN_AT_ONCE,
    decode_residue,
    dequantise,
    encode_residue,
    exponent_for,
    quantise,
    uniform,
)
from edge_client.protocol.update import UpdateBody

SEED = bytes(range(32))


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


@pytest.mark.parametrize(
    ("largest", "exponent"),
    [
        (0.0, -30),
        (1e-30, -30),
        (127.0, 0),
        (127.1, 0),
        (1e9, 0),
        (63.5, -1),
        (63.6, 0),
        (127 * 2.0**-20, -20),
        (127.01 * 2.0**-20, -19),
        (1.0, -6),
    ],
)
def test_the_smallest_exponent_that_fits(largest: float, exponent: int) -> None:
    assert exponent_for(largest) == exponent


def test_codes_and_residue_add_up_to_the_delta() -> None:
    delta = [array(0.5, -0.25, 0.1).reshape(3, 1), array(1e-5, -3e-6)]
    body, residue = quantise(delta, SEED)
    back = dequantise(body, [one.shape for one in delta])
    for given, got, left in zip(delta, back, residue, strict=True):
        np.testing.assert_allclose(got + left, given, rtol=1e-6, atol=1e-12)
        assert np.abs(left).max() <= 2.0 ** body.exponents[0]


def test_each_tensor_has_its_own_exponent() -> None:
    body, _ = quantise([array(1.0), array(1e-6)], SEED)
    assert body.exponents == (-6, -26)


def test_what_is_too_large_stays_in_the_residue() -> None:
    body, (residue,) = quantise([array(200.0, -1000.0, 3.0)], SEED)
    assert body.exponents == (0,)
    assert body.codes.tolist() == [127, -127, 3]
    np.testing.assert_array_equal(residue, array(73.0, -873.0, 0.0))


def test_nothing_learned_is_all_zeros() -> None:
    body, residue = quantise([np.zeros((2, 2), np.float32)], SEED)
    assert not body.codes.any()
    assert not residue[0].any()


def test_the_same_seed_gives_the_same_body_and_another_seed_another() -> None:
    delta = [np.linspace(-1, 1, 500, dtype=np.float32)]
    first, again, other = (quantise(delta, seed)[0].encode() for seed in (SEED, SEED, bytes(32)))
    assert first == again
    assert first != other


def test_rounding_is_without_bias() -> None:
    """The mean of many roundings is the value; a round-to-nearest would give 0 here."""
    delta = [np.full(20_000, 0.3 * 2.0**-6, np.float32)]
    delta[0][0] = 1.0
    (back,) = dequantise(quantise(delta, SEED)[0], [delta[0].shape])
    assert abs(float(back[1:].mean()) / float(delta[0][1]) - 1) < 0.03


def test_uniform_values() -> None:
    count = DRAWN_AT_ONCE + 10_000
    drawn = np.concatenate(list(uniform(SEED, 0, count)))
    assert len(drawn) == count
    assert drawn.dtype == np.float32
    assert 0.0 <= drawn.min() < 0.001
    assert 0.999 < drawn.max() < 1.0
    assert abs(float(drawn.mean()) - 0.5) < 0.01
    (other,) = uniform(SEED, 1, 5)
    assert len({tuple(some.tolist()) for some in (drawn[:5], drawn[DRAWN_AT_ONCE:][:5], other)}) == 3


@pytest.mark.parametrize("code", [1, 100, -127])
def test_what_is_a_code_already_is_not_rounded(code: int) -> None:
    """However close to one the number is that is added before rounding down."""
    delta = np.full(2**17, code, np.float32)
    delta[0] = 127
    body, (residue,) = quantise([delta], SEED)
    assert set(body.codes[1:].tolist()) == {code}
    assert not residue.any()


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_training_that_diverged_is_an_error(bad: float) -> None:
    with pytest.raises(ValueError, match="diverged"):
        quantise([array(0.1, bad)], SEED)


def test_the_body_is_one_that_validators_take() -> None:
    delta = [np.random.default_rng(1).normal(0, 0.01, (7, 5)).astype(np.float32), array(5.0)]
    body, _ = quantise(delta, SEED)
    again = UpdateBody.decode(body.encode(), [35, 1])
    assert again.exponents == body.exponents
    np.testing.assert_array_equal(again.codes, body.codes)


def test_residue_bytes() -> None:
    residue = [array(1.5, -2.0).reshape(1, 2), array(3.0)]
    back = decode_residue(encode_residue(residue), [(1, 2), (1,)])
    for given, got in zip(residue, back, strict=True):
        np.testing.assert_array_equal(given, got)
    with pytest.raises(ValueError, match="residue of 3 values, not 4"):
        decode_residue(encode_residue(residue), [(1, 2), (2,)])
