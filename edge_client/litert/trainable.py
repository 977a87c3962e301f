"""A float inference model in, a training graph out: all of `edge-client trainable` but its command line."""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.litert.ir import DType, ModelError
from edge_client.litert.metadata import MANIFEST_KEY
from edge_client.litert.network import Network, all_weights, find_logits
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.reader import read_model
from edge_client.litert.rebatch import rebatch
from edge_client.litert.reorder import pool_first
from edge_client.litert.signatures import SignatureBuilder
from edge_client.litert.writer import write_model
from edge_client.protocol.manifest import FRAC_BITS_DEFAULT, Loss, Manifest, TensorSpec

NAME_CHARS_MAX = 200
ACTIVATION_OF_LOSS = {Loss.SOFTMAX_CROSS_ENTROPY: "SOFTMAX", Loss.SIGMOID_CROSS_ENTROPY: "LOGISTIC"}


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What to make of a model. Raw samples become inputs as raw * input_scale_num / input_scale_den."""

    batch: int = 10
    loss: Loss = Loss.SOFTMAX_CROSS_ENTROPY
    optimizer: Optimizer = Optimizer.SGD
    frac_bits: int = FRAC_BITS_DEFAULT
    input_scale_num: int = 1
    input_scale_den: int = 1


def make_trainable(model: bytes, options: TrainingOptions) -> bytes:
    """The training graph of an inference model; raises `ModelError` with the way out."""
    graph = pool_first(rebatch(read_model(model), options.batch))
    network = all_weights(graph, find_logits(graph, ACTIVATION_OF_LOSS.get(options.loss, "")))
    manifest = _manifest(network, options)
    builder = SignatureBuilder(network, options.loss, options.optimizer)
    return write_model(
        builder.signatures(), other_graphs=[builder.init()], metadata={MANIFEST_KEY: manifest.encode()}
    )


def _manifest(network: Network, options: TrainingOptions) -> Manifest:
    source = network.graph
    given = source.tensors[source.inputs[0]]
    if given.dtype != DType.FLOAT32:
        raise ModelError(f"input '{given.name}' is {given.dtype.name}, not float32")
    shapes = [source.tensors[index].shape for index in network.weights]
    tensors = tuple(TensorSpec(*pair) for pair in zip(_names(network), shapes, strict=True))
    return Manifest(
        loss=options.loss,
        batch=options.batch,
        outputs=network.outputs,
        input_dims=given.shape[1:],
        tensors=tensors,
        frac_bits=options.frac_bits,
        input_scale_num=options.input_scale_num,
        input_scale_den=options.input_scale_den,
    )


def _names(network: Network) -> list[str]:
    """Printable names of the weights; the tensor's number makes one unique where the model does not."""
    tensors = network.graph.tensors
    raw = [
        "".join(c if c.isascii() and c.isprintable() else "?" for c in tensors[i].name)
        for i in network.weights
    ]
    cut = [name[:NAME_CHARS_MAX] for name in raw]
    return [
        name if name and cut.count(name) == 1 else f"{name}#{index}"
        for name, index in zip(cut, network.weights, strict=True)
    ]
