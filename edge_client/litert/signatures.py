"""The signatures of a training graph (docs/TRAINING.md): train, evaluate, infer and state."""

from __future__ import annotations

from collections.abc import Sequence

from edge_client.litert import ops
from edge_client.litert.builder import GraphBuilder, Value
from edge_client.litert.differentiate import backward
from edge_client.litert.forward import ForwardPass, emit_forward
from edge_client.litert.ir import Graph, Signature
from edge_client.litert.losses import correct, label, loss_terms
from edge_client.litert.network import Network
from edge_client.litert.optimizers import Optimizer, Values, state_variables, update
from edge_client.litert.variables import Variable, call_once
from edge_client.protocol.manifest import Loss

INIT_SUBGRAPH = 8
WEIGHT_SUM_MIN = 1e-30


class SignatureBuilder:
    """Builds all signatures of one network with one loss and one optimiser."""

    def __init__(self, network: Network, loss: Loss, optimizer: Optimizer) -> None:
        self._network = network
        self._loss = loss
        self._optimizer = optimizer
        tensors = network.graph.tensors
        self.weights = tuple(Variable(f"w{i:03}", tensors[t].array()) for i, t in enumerate(network.weights))
        self.state = state_variables(optimizer, self.weights)

    def signatures(self) -> tuple[Signature, ...]:
        """In a fixed order: `train` is subgraph 0."""
        weight_names = tuple(variable.name for variable in self.weights)
        state_names = tuple(f"s{i:03}" for i in range(len(self.state)))
        return (
            Signature(self.train(), ("x", "y", "sample_weight", "learning_rate"), ("loss",)),
            Signature(
                self._evaluate(), ("x", "y", "sample_weight"), ("loss_sum", "correct_sum", "weight_sum")
            ),
            Signature(self._infer(), ("x",), ("output",)),
            Signature(_getter("get_weights", self.weights), (), weight_names),
            Signature(_setter("set_weights", self.weights), weight_names, ()),
            Signature(_getter("get_state", self.state), (), state_names),
            Signature(_setter("set_state", self.state), state_names, ()),
            Signature(self._reset(), (), ()),
        )

    def init(self) -> Graph:
        """The graph that CALL_ONCE runs: first values of every variable."""
        b = GraphBuilder("init")
        _assign_initial(b, (*self.weights, *self.state))
        return b.build(())

    def train(self) -> Graph:
        """Forward, backward and update: one optimiser step."""
        b = GraphBuilder("train")
        x, y, sample_weight = self._batch_inputs(b)
        rate = b.input("learning_rate", ())
        call_once(b, INIT_SUBGRAPH)
        weight_handles = [variable.handle(b) for variable in self.weights]
        state_handles = [variable.handle(b) for variable in self.state]
        old = Values(
            tuple(v.read(b, h) for v, h in zip(self.weights, weight_handles, strict=True)),
            tuple(v.read(b, h) for v, h in zip(self.state, state_handles, strict=True)),
        )
        forward = emit_forward(b, self._network, x, old.weights, self._network.logits)
        logits = self._logits(b, forward)
        terms = loss_terms(b, self._loss, logits, y)
        share = self._share(b, sample_weight)
        loss = ops.reduce_sum(b, ops.mul(b, terms.per_sample, share), (0,))
        factor = ops.mul(b, share, rate) if self._optimizer.scales_gradient else share
        seed = ops.mul(b, terms.gradient, ops.reshape(b, factor, (logits.shape[0], 1)))
        target = forward.values[self._network.logits]
        by_index = backward(b, forward.steps(b), target, ops.reshape(b, seed, target.shape))
        gradients = [by_index[value.index] for value in old.weights]
        new = update(b, self._optimizer, old, gradients, rate)
        _assign_all(b, self.weights, weight_handles, new.weights)
        _assign_all(b, self.state, state_handles, new.state)
        return b.build((loss,))

    def _evaluate(self) -> Graph:
        b = GraphBuilder("evaluate")
        x, y, sample_weight = self._batch_inputs(b)
        logits = self._logits(
            b, emit_forward(b, self._network, x, self._read_weights(b), self._network.logits)
        )
        losses = loss_terms(b, self._loss, logits, y).per_sample
        right = correct(b, self._loss, logits, y)
        sums = [ops.reduce_sum(b, ops.mul(b, part, sample_weight), (0,)) for part in (losses, right)]
        return b.build((*sums, ops.reduce_sum(b, sample_weight, (0,))))

    def _infer(self) -> Graph:
        b = GraphBuilder("infer")
        source = self._network.graph
        given = source.tensors[source.inputs[0]]
        x = b.input("x", given.shape, given.dtype)
        output = source.outputs[0]
        return b.build((emit_forward(b, self._network, x, self._read_weights(b), output).values[output],))

    def _reset(self) -> Graph:
        b = GraphBuilder("reset_optimizer")
        call_once(b, INIT_SUBGRAPH)
        _assign_initial(b, self.state)
        return b.build(())

    def _batch_inputs(self, b: GraphBuilder) -> tuple[Value, Value, Value]:
        """x, y and sample_weight, always the first three inputs."""
        source = self._network.graph
        given = source.tensors[source.inputs[0]]
        batch = given.shape[0]
        x = b.input("x", given.shape, given.dtype)
        y = label(b, self._loss, batch, self._network.outputs)
        return x, y, b.input("sample_weight", (batch,))

    def _read_weights(self, b: GraphBuilder) -> tuple[Value, ...]:
        call_once(b, INIT_SUBGRAPH)
        return tuple(variable.read(b, variable.handle(b)) for variable in self.weights)

    def _logits(self, b: GraphBuilder, forward: ForwardPass) -> Value:
        logits = forward.values[self._network.logits]
        return ops.reshape(b, logits, (logits.shape[0], self._network.outputs))

    def _share(self, b: GraphBuilder, sample_weight: Value) -> Value:
        """sample_weight over its sum; all zero when no sample counts."""
        total = ops.reduce_sum(b, sample_weight, (0,))
        return ops.div(b, sample_weight, ops.maximum(b, total, b.scalar(WEIGHT_SUM_MIN)))


def _getter(name: str, variables: Sequence[Variable]) -> Graph:
    b = GraphBuilder(name)
    call_once(b, INIT_SUBGRAPH)
    return b.build([variable.read(b, variable.handle(b)) for variable in variables])


def _setter(name: str, variables: Sequence[Variable]) -> Graph:
    b = GraphBuilder(name)
    values = [b.input(variable.name, variable.shape) for variable in variables]
    call_once(b, INIT_SUBGRAPH)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(b, variable.handle(b), value)
    return b.build(())


def _assign_all(
    b: GraphBuilder, variables: Sequence[Variable], handles: Sequence[Value], values: Sequence[Value]
) -> None:
    for variable, handle, value in zip(variables, handles, values, strict=True):
        variable.assign(b, handle, value)


def _assign_initial(b: GraphBuilder, variables: Sequence[Variable]) -> None:
    for variable in variables:
        variable.assign(b, variable.handle(b), b.constant(variable.initial))
