"""Rules of convolutions and pools, over random kernels, strides, dilations, paddings and sizes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_client.litert.ir import Activation, Options, Padding
from tests.litert_rule_case import Case, activate, clamps, few, ints, normal, seeds, upto3


@dataclass(frozen=True)
class Windowing:
    """A window over an image, in NumPy; each field is (rows, columns)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    size: tuple[int, int]

    @property
    def reach(self) -> tuple[int, int]:
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return rows, columns

    def read(self, x: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """[n, oh, ow, kh, kw, c]."""
        widths = [(0, 0), *(self._zeros(axis, x.shape[1 + axis]) for axis in (0, 1)), (0, 0)]
        padded = np.pad(x, widths, constant_values=fill)
        view = np.lib.stride_tricks.sliding_window_view(padded, self.reach, (1, 2))
        (down, across), (rows, columns) = self.stride, self.dilation
        return view[:, ::down, ::across, :, ::rows, ::columns].transpose(0, 1, 2, 4, 5, 3)

    def _zeros(self, axis: int, size: int) -> tuple[int, int]:
        if self.padding == Padding.VALID:
            return 0, 0
        outputs = -(-size // self.stride[axis])
        missing = max((outputs - 1) * self.stride[axis] + self.reach[axis] - size, 0)
        return missing // 2, missing - missing // 2

    def options(self, table: str, activation: Activation, **extra: int) -> Options:
        values = {"padding": int(self.padding), "strideH": self.stride[0], "strideW": self.stride[1], **extra}
        if table == "Pool2DOptions":
            values |= {"filterHeight": self.kernel[0], "filterWidth": self.kernel[1]}
        elif table != "TransposeConvOptions":
            values |= {"dilationHFactor": self.dilation[0], "dilationWFactor": self.dilation[1]}
        return Options(table, {**values, "fusedActivationFunction": int(activation)})


@st.composite
def windowings(draw, *, dilated: bool = True) -> Windowing:
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    stride = (draw(upto3), draw(upto3))
    plain = stride == (1, 1) and dilated
    dilation = (draw(st.integers(1, 2)), draw(st.integers(1, 2))) if plain else (1, 1)
    rows, columns = (
        draw(st.integers(r, r + 4)) for r in Windowing(kernel, stride, dilation, Padding.VALID, (0, 0)).reach
    )
    return Windowing(kernel, stride, dilation, draw(st.sampled_from(Padding)), (rows, columns))


plain_windowings = windowings(dilated=False)


@few
@given(windowings(), st.tuples(upto3, st.integers(1, 2), upto3, upto3), clamps, seeds)
def test_conv_2d(window: Windowing, sizes, activation, seed) -> None:
    n, groups, channels, outputs = sizes
    x = normal(seed, n, *window.size, channels * groups)
    k = normal(seed + 1, outputs * groups, *window.kernel, channels)
    bias = normal(seed + 2, outputs * groups)

    def forward(x: np.ndarray, k: np.ndarray, bias: np.ndarray) -> np.ndarray:
        w = window.read(x)
        parts = [
            np.einsum("nyxijc,oijc->nyxo", w[..., g * channels : (g + 1) * channels], part)
            for g, part in enumerate(np.split(k, groups))
        ]
        return activate(activation, np.concatenate(parts, -1) + bias)

    Case("CONV_2D", window.options("Conv2DOptions", activation), forward, x, k, bias).check(seed)


@few
@given(windowings(), st.tuples(upto3, upto3, st.integers(1, 2)), clamps, seeds)
def test_depthwise_conv_2d(window: Windowing, sizes, activation, seed) -> None:
    n, channels, multiplier = sizes
    x = normal(seed, n, *window.size, channels)
    k = normal(seed + 1, 1, *window.kernel, channels * multiplier)
    bias = normal(seed + 2, channels * multiplier)

    def forward(x: np.ndarray, k: np.ndarray, bias: np.ndarray) -> np.ndarray:
        w = window.read(np.repeat(x, multiplier, axis=3))
        return activate(activation, np.einsum("nyxijc,ijc->nyxc", w, k[0]) + bias)

    options = window.options("DepthwiseConv2DOptions", activation, depthMultiplier=multiplier)
    Case("DEPTHWISE_CONV_2D", options, forward, x, k, bias).check(seed)


@few
@given(plain_windowings, st.tuples(upto3, upto3, upto3), st.booleans(), seeds)
def test_transpose_conv(window: Windowing, sizes, with_bias: bool, seed: int) -> None:
    n, channels, outputs = sizes
    small = window.read(np.zeros((n, *window.size, 1))).shape[1:3]
    arrays = [normal(seed, outputs, *window.kernel, channels), normal(seed + 1, n, *small, channels)]
    arrays += [normal(seed + 2, outputs)] if with_bias else []

    def forward(k: np.ndarray, x: np.ndarray, bias: float | np.ndarray = 0.0) -> np.ndarray:
        # By definition: the transpose of the linear map that reads and weighs the windows of an image.
        basis = np.eye(math.prod(window.size)).reshape(-1, *window.size, 1)
        image = np.einsum("pyxij,oijc,nyxc->npo", window.read(basis)[..., 0], k, x)
        return image.reshape(n, *window.size, outputs) + bias

    options = window.options("TransposeConvOptions", Activation.NONE)
    fixed = [ints(n, *window.size, outputs)]
    Case("TRANSPOSE_CONV", options, forward, *arrays, fixed=fixed).check(seed)


@few
@given(plain_windowings, st.tuples(upto3, upto3), clamps, seeds)
def test_max_pool_2d(window: Windowing, sizes, activation, seed) -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        return activate(activation, window.read(x, -np.inf).max(axis=(3, 4)))

    n, channels = sizes
    options = window.options("Pool2DOptions", activation)
    Case("MAX_POOL_2D", options, forward, normal(seed, n, *window.size, channels)).check(seed)


@few
@given(plain_windowings, st.tuples(upto3, upto3), clamps, seeds)
def test_average_pool_2d(window: Windowing, sizes, activation, seed) -> None:
    def forward(x: np.ndarray) -> np.ndarray:
        total, counts = (window.read(part).sum(axis=(3, 4)) for part in (x, np.ones_like(x)))
        return activate(activation, total / counts)

    n, channels = sizes
    options = window.options("Pool2DOptions", activation)
    Case("AVERAGE_POOL_2D", options, forward, normal(seed, n, *window.size, channels)).check(seed)


def test_equal_maxima_share_nothing_the_first_takes_all() -> None:
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 1, 2, 0] = x[0, 1, 3, 0] = 5.0
    window = Windowing((2, 2), (2, 2), (1, 1), Padding.VALID, (2, 4))
    case = Case("MAX_POOL_2D", window.options("Pool2DOptions", Activation.NONE), lambda x: x, x)
    _, gradient = case.run((1, 1, 2, 1), np.array([3.0, 7.0], np.float32).reshape(1, 1, 2, 1))
    assert gradient.reshape(2, 4).tolist() == [[3, 0, 0, 0], [0, 0, 7, 0]]
