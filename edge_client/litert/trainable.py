"""A float inference model in, a training graph out: all of `edge-client trainable` but its command line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge_client.litert.head import NewHead, with_float_input, with_new_head
from edge_client.litert.inference import RECIPE_KEY, encode_recipe
from edge_client.litert.ir import Graph, ModelError
from edge_client.litert.metadata import MANIFEST_KEY
from edge_client.litert.network import Network, Scope, choose, find_logits
from edge_client.litert.optimizers import Optimizer
from edge_client.litert.reader import read_model
from edge_client.litert.rebatch import rebatch
from edge_client.litert.reorder import pool_first
from edge_client.litert.signatures import SignatureBuilder
from edge_client.litert.template import make_template
from edge_client.litert.untie import untie
from edge_client.litert.writer import write_model
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.manifest import FRAC_BITS_DEFAULT, Loss, Manifest, TensorSpec

NAME_CHARS_MAX = 200
ACTIVATION_OF_LOSS = {Loss.SOFTMAX_CROSS_ENTROPY: "SOFTMAX", Loss.SIGMOID_CROSS_ENTROPY: "LOGISTIC"}


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """What to make of a model. Raw samples become inputs as raw * input_scale_num / input_scale_den."""

    batch: int = 10
    loss: Loss = Loss.SOFTMAX_CROSS_ENTROPY
    optimizer: Optimizer = Optimizer.SGD
    scope: Scope = field(default_factory=Scope)
    new_head: NewHead | None = None
    frac_bits: int = FRAC_BITS_DEFAULT
    input_scale_num: int = 1
    input_scale_den: int = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model made ready: the network to train, and the same with the model's own batch, for inference."""

    network: Network
    plain: Network


def make_trainable(model: bytes, options: TrainingOptions) -> bytes:
    """The training graph of an inference model; raises `ModelError` with the way out."""
    return build(prepare(model, options), options)


def prepare(model: bytes, options: TrainingOptions) -> Prepared:
    """The network that would be trained, without building its graphs; raises `ModelError`."""
    activation = ACTIVATION_OF_LOSS.get(options.loss, "")
    graph = with_float_input(read_model(model))
    if options.new_head is not None:
        graph = with_new_head(graph, options.new_head, activation)
    network, plain = (
        _chosen(rebatch(graph, batch), activation, options.scope)
        for batch in (options.batch, _own_batch(graph))
    )
    if _contents(network) != _contents(plain):
        raise ModelError(
            f"the model's weights change with its batch; convert it with a batch of {options.batch}"
        )
    reordered = replace(network, graph=pool_first(network.graph, frozenset(network.weights)))
    return Prepared(reordered, plain)


def _chosen(graph: Graph, activation: str, scope: Scope) -> Network:
    own = untie(graph)
    return choose(own, find_logits(own, activation), scope)


def _own_batch(graph: Graph) -> int:
    return next(iter(graph.tensors[graph.inputs[0]].shape), 1)


def _contents(network: Network) -> list[tuple[tuple[int, ...], object]]:
    """Shape and content of the weights, in order."""
    tensors = network.graph.tensors
    return [(tensors[index].shape, tensors[index].data) for index in network.weights]


def build(prepared: Prepared, options: TrainingOptions) -> bytes:
    """The file of a prepared model, with the recipe of its inference file."""
    network = prepared.network
    manifest = _manifest(network, options)
    template = make_template(prepared.plain, manifest)
    manifest = replace(manifest, inference_hash=template.hash)
    builder = SignatureBuilder(network, options.loss, options.optimizer)
    signatures, init = builder.signatures(), builder.init()
    recipe = template.recipe([*(one.graph for one in signatures), init])
    metadata = {MANIFEST_KEY: manifest.encode(), RECIPE_KEY: encode_recipe(recipe)}
    return write_model(signatures, other_graphs=[init], metadata=metadata)


def _manifest(network: Network, options: TrainingOptions) -> Manifest:
    source = network.graph
    shapes = [source.tensors[index].shape for index in network.weights]
    tensors = tuple(TensorSpec(*pair) for pair in zip(_names(network), shapes, strict=True))
    manifest = Manifest(
        loss=options.loss,
        batch=options.batch,
        outputs=network.outputs,
        input_dims=network.input_dims,
        tensors=tensors,
        frac_bits=options.frac_bits,
        input_scale_num=options.input_scale_num,
        input_scale_den=options.input_scale_den,
    )
    try:
        manifest.encode()
    except DecodeError as error:
        raise ModelError(f"the model does not fit the protocol: {error.detail}") from error
    return manifest


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
