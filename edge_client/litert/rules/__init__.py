"""One differentiation rule per op: from the gradient of its output to the gradients of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge_client.litert.rules import activation, dense
from edge_client.litert.rules.step import Rule

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "FULLY_CONNECTED": dense.fully_connected,
        "RELU": activation.relu,
        "RELU6": activation.relu6,
        "TANH": activation.tanh,
        "LOGISTIC": activation.logistic,
    }
)
