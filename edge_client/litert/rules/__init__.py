"""One differentiation rule per op: from the gradient of its output to the gradients of its inputs.

`LOWERINGS` emit the ops whose weights are variables in the way that is fast; others are copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_client.litert.rules import activation, convolution, dense, elementwise, layout, pooling, transposed
from edge_client.litert.rules.step import Lowering, Rule

LOWERINGS: Mapping[str, Lowering] = MappingProxyType(
    {
        "FULLY_CONNECTED": dense.lower_fully_connected,
        "CONV_2D": convolution.lower_conv,
        "DEPTHWISE_CONV_2D": convolution.lower_depthwise,
        "TRANSPOSE_CONV": transposed.lower_transpose_conv,
    }
)

# Fewest inputs of the ops that need more than one; damaged files have fewer.
INPUTS_MIN: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("FULLY_CONNECTED", "BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D"), 2),
        **dict.fromkeys(("ADD", "SUB", "MUL", "DIV", "SQUARED_DIFFERENCE"), 2),
        **dict.fromkeys(("TRANSPOSE", "PAD", "PADV2", "SUM", "MEAN"), 2),
        **dict.fromkeys(("TRANSPOSE_CONV", "SLICE"), 3),
        "STRIDED_SLICE": 4,
    }
)

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "FULLY_CONNECTED": dense.fully_connected,
        "BATCH_MATMUL": dense.batch_matmul,
        "CONV_2D": convolution.conv,
        "DEPTHWISE_CONV_2D": convolution.depthwise,
        "TRANSPOSE_CONV": transposed.transpose_conv,
        "MAX_POOL_2D": pooling.max_pool,
        "AVERAGE_POOL_2D": pooling.average_pool,
        "RELU": activation.relu,
        "RELU6": activation.relu6,
        "LEAKY_RELU": activation.leaky_relu,
        "HARD_SWISH": activation.hard_swish,
        "TANH": activation.tanh,
        "LOGISTIC": activation.logistic,
        "SOFTMAX": activation.softmax,
        "LOG_SOFTMAX": activation.log_softmax,
        "GELU": activation.gelu,
        "ADD": elementwise.add,
        "SUB": elementwise.sub,
        "MUL": elementwise.mul,
        "DIV": elementwise.div,
        "SQUARED_DIFFERENCE": elementwise.squared_difference,
        "SQUARE": elementwise.square,
        "SQRT": elementwise.sqrt,
        "RSQRT": elementwise.rsqrt,
        "NEG": elementwise.neg,
        "RESHAPE": layout.reshape,
        "SQUEEZE": layout.reshape,
        "EXPAND_DIMS": layout.reshape,
        "TRANSPOSE": layout.transpose,
        "CONCATENATION": layout.concatenation,
        "SLICE": layout.slice_,
        "STRIDED_SLICE": layout.strided_slice,
        "PAD": layout.pad,
        "PADV2": layout.pad,
        "SUM": layout.sum_,
        "MEAN": layout.mean,
    }
)
