"""Makes the recipe of the inference file together with a training graph; this part needs the schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import shake_256

from edge_client.litert.inference import (
    SHARED_BYTES_MIN,
    WEIGHTS_KEY,
    Layout,
    Segment,
    SegmentKind,
    inference_hash,
    shared_key,
)
from edge_client.litert.ir import Graph, ModelError, Op, Signature
from edge_client.litert.metadata import buffer_places
from edge_client.litert.network import Network, needed_ops
from edge_client.litert.writer import write_model
from edge_client.protocol.manifest import Manifest

SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Template:
    """An inference file with all weights zero, and where they go."""

    frame: bytes
    layout: Layout

    @property
    def hash(self) -> bytes:
        """What the manifest says of it."""
        return inference_hash(self.frame)

    def recipe(self, graphs: Iterable[Graph]) -> list[Segment]:
        """The frame cut at the weights, and at constants that the training graph (`graphs`) holds as well."""
        contents = (tensor.data for graph in graphs for tensor in graph.tensors if tensor.data is not None)
        known = {shared_key(bytes(one)) for one in contents if len(one) >= SHARED_BYTES_MIN}
        cuts = {
            offset: (4 * count, Segment(SegmentKind.WEIGHT, tensor=index))
            for index, (offset, count) in enumerate(self.layout.places)
        }
        for start, size in buffer_places(self.frame):
            key = shared_key(self.frame[start : start + size])
            if start not in cuts and key in known:
                cuts[start] = (size, Segment(SegmentKind.SHARED, key))
        segments, at = [], 0
        for start, (size, segment) in sorted(cuts.items()):
            segments += [Segment(SegmentKind.LITERAL, self.frame[at:start]), segment]
            at = start + size
        segments.append(Segment(SegmentKind.LITERAL, self.frame[at:]))
        return [one for one in segments if one.kind != SegmentKind.LITERAL or one.content]


def make_template(network: Network, manifest: Manifest) -> Template:
    """The inference file of a network as it was before its batch was changed for training.

    Weights are filled with marks first, to be found again in the bytes; else it raises `ModelError`.
    """
    marks = [_mark(index, 4 * size) for index, size in enumerate(manifest.sizes)]
    tensors = list(network.graph.tensors)
    for index, mark in zip(network.weights, marks, strict=True):
        tensors[index] = replace(tensors[index], data=mark)
    graph = _needed(replace(network.graph, name=SIGNATURE, tensors=tuple(tensors)))
    scale = manifest.input_scale_num, manifest.input_scale_den
    blank = Layout(0, manifest.loss, manifest.frac_bits, *scale, ((0, 0),) * len(marks))
    entry = _mark(len(marks), len(blank.encode()))
    data = write_model([Signature(graph, ("x",), ("output",))], metadata={WEIGHTS_KEY: entry})
    found = {data[start : start + size]: start for start, size in buffer_places(data)}
    if not found.keys() >= {entry, *marks}:
        raise ModelError("the model's weights could not be found in its inference file")
    places = tuple((found[mark], len(mark) // 4) for mark in marks)
    layout = replace(blank, size_bytes=len(data), places=places)
    frame = bytearray(data)
    for offset, count in places:
        frame[offset : offset + 4 * count] = bytes(4 * count)
    frame[found[entry] : found[entry] + len(entry)] = layout.encode()
    return Template(bytes(frame), layout)


def _mark(index: int, size_bytes: int) -> bytes:
    """Bytes that no other buffer holds."""
    return shake_256(b"weight" + index.to_bytes(2, "big")).digest(size_bytes)


def _needed(graph: Graph) -> Graph:
    """Without ops and tensors that the output does not depend on, such as a head that was replaced."""
    ops = needed_ops(graph, graph.outputs[0])
    used = sorted({*graph.inputs, *(i for op in ops for i in (*op.inputs, *op.outputs) if i >= 0)})
    place = {-1: -1, **{old: new for new, old in enumerate(used)}}

    def moved(op: Op) -> Op:
        return replace(
            op, inputs=tuple(place[i] for i in op.inputs), outputs=tuple(place[i] for i in op.outputs)
        )

    return Graph(
        graph.name,
        tuple(graph.tensors[index] for index in used),
        tuple(map(moved, ops)),
        tuple(place[index] for index in graph.inputs),
        tuple(place[index] for index in graph.outputs),
    )
