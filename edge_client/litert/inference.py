"""Plain inference files: put together from a training graph and a model, and taken apart again [INF].

A training graph carries the *recipe* of the inference file it was made from: the bytes of that file without
its weights. So any board can write the file, without the schema of the format and without a runtime; and
anybody can check one, because genesis names the hash of the file with all weights zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

import numpy as np

from edge_client.litert.ir import ModelError
from edge_client.litert.metadata import Bytes, buffer_places, read_metadata
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.manifest import FRAC_BITS_MAX, TENSORS_MAX, Loss, Manifest
from edge_client.protocol.model import Vector, encode_model, model_root, to_fixed, to_float

RECIPE_KEY = "federated_inference"
WEIGHTS_KEY = "federated_weights"
VERSION = 1
SEGMENTS_MAX = 1 << 14
LITERAL_BYTES_MAX = 1 << 26
SHARED_BYTES_MIN = 64
"""Constants at least this long are looked up in the training graph instead of standing in the recipe."""
KEY_BYTES = 16
PIECE_VALUES = 1 << 14
"""So many parameters are converted at a time."""
FLOAT32_WHOLE_MAX = 1 << 24
"""Up to here float32 holds every integer."""
EXACT_MARK = b"flc-exact"
FILE_BYTES_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class Layout:
    """Where an inference file holds its weights: its length, and offset and count of values of each tensor.

    Loss, `frac_bits` and the input scale are the manifest's, for those who only have the file.
    """

    size_bytes: int
    loss: Loss
    frac_bits: int
    input_scale_num: int
    input_scale_den: int
    places: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        """Metadata entry `federated_weights`, big-endian [INF-2]."""
        head = uint(VERSION, 1) + uint(self.loss, 1) + uint(self.frac_bits, 1) + uint(self.size_bytes, 4)
        scale = uint(self.input_scale_num, 4) + uint(self.input_scale_den, 4)
        places = b"".join(uint(offset, 4) + uint(count, 4) for offset, count in self.places)
        return head + scale + uint(len(self.places), 2) + places

    @classmethod
    def decode(cls, data: bytes) -> Layout:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "weights of the file")
        version, loss, frac_bits, size_bytes = (reader.uint(width) for width in (1, 1, 1, 4))
        if version != VERSION or loss not in tuple(Loss):
            raise DecodeError(f"weights of the file: version {version}, loss {loss}")
        scale_num, scale_den = reader.uint(4), reader.uint(4)
        count = reader.count(2, TENSORS_MAX)
        places = tuple((reader.uint(4), reader.uint(4)) for _ in range(count))
        reader.finish()
        if not scale_den or frac_bits > FRAC_BITS_MAX:
            raise DecodeError("weights of the file: input scale or fraction bits")
        return cls(size_bytes, Loss(loss), frac_bits, scale_num, scale_den, places)


class SegmentKind(IntEnum):
    """What a segment of a recipe stands for."""

    LITERAL = 1
    SHARED = 2
    WEIGHT = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the inference file: bytes, the key of a constant of the training graph, or a tensor."""

    kind: SegmentKind
    content: bytes = b""
    tensor: int = 0

    def encode(self) -> bytes:
        """Kind (u8); bytes behind their length (u32), a key, or the tensor's number (u16)."""
        if self.kind == SegmentKind.LITERAL:
            return uint(self.kind, 1) + blob(self.content, 4)
        return uint(self.kind, 1) + (
            self.content if self.kind == SegmentKind.SHARED else uint(self.tensor, 2)
        )

    @classmethod
    def read(cls, reader: Reader) -> Segment:
        """Parse from a reader; raises `DecodeError`."""
        kind = reader.uint(1)
        if kind == SegmentKind.LITERAL:
            return cls(SegmentKind.LITERAL, reader.blob(4, LITERAL_BYTES_MAX))
        if kind == SegmentKind.SHARED:
            return cls(SegmentKind.SHARED, reader.take(KEY_BYTES))
        if kind == SegmentKind.WEIGHT:
            return cls(SegmentKind.WEIGHT, tensor=reader.uint(2))
        raise DecodeError(f"recipe: segment of kind {kind}")


def encode_recipe(segments: Iterable[Segment]) -> bytes:
    """Metadata entry `federated_inference` of a training graph [INF-5]."""
    parts = [segment.encode() for segment in segments]
    if len(parts) > SEGMENTS_MAX:
        raise ModelError(f"the model has too many constants: its inference file has {len(parts)} parts")
    return uint(VERSION, 1) + uint(len(parts), 2) + b"".join(parts)


def shared_key(content: bytes) -> bytes:
    """How a recipe names a constant of the training graph."""
    return blake2b(content, digest_size=KEY_BYTES).digest()


def assemble(graph: Bytes, model: bytes, manifest: Manifest) -> Iterator[bytes]:
    """The inference file with this model in it, piece by piece.

    `graph` is the training graph (bytes or mapped), `model` the object that headers commit to. Raises
    `ModelError` for a graph that carries no recipe, or one that does not fit.
    """
    segments, shared = _recipe(graph), None
    vector = np.frombuffer(model, ">i4")
    ends = np.cumsum(manifest.sizes)
    if len(vector) != manifest.parameter_count:
        raise ModelError(f"the model has {len(vector)} parameters, not {manifest.parameter_count}")
    for segment in segments:
        if segment.kind == SegmentKind.LITERAL:
            yield segment.content
        elif segment.kind == SegmentKind.SHARED:
            shared = shared if shared is not None else _shared(graph, segments)
            if segment.content not in shared:
                raise ModelError("the training graph lacks a constant that its inference file needs")
            start, size = shared[segment.content]
            yield graph[start : start + size]
        elif segment.tensor < len(ends):
            end = int(ends[segment.tensor])
            yield from _floats(vector, end - manifest.sizes[segment.tensor], end, manifest.frac_bits)
        else:
            raise ModelError(f"the recipe of the inference file names tensor {segment.tensor}")
    yield _exact(vector, manifest.frac_bits)


def _recipe(graph: Bytes) -> list[Segment]:
    try:
        reader = Reader(read_metadata(graph, RECIPE_KEY), "recipe")
        version = reader.uint(1)
        segments = [Segment.read(reader) for _ in range(reader.count(2, SEGMENTS_MAX))]
        reader.finish()
    except DecodeError as error:
        raise ModelError(f"the recipe of the inference file is unreadable: {error}") from error
    if version != VERSION:
        raise ModelError(f"the recipe of the inference file has version {version}")
    return segments


def _shared(graph: Bytes, segments: Iterable[Segment]) -> dict[bytes, tuple[int, int]]:
    wanted = {one.content for one in segments if one.kind == SegmentKind.SHARED}
    places = (place for place in buffer_places(graph) if place[1] >= SHARED_BYTES_MIN)
    keys = ((shared_key(graph[start : start + size]), (start, size)) for start, size in places)
    return {key: place for key, place in keys if key in wanted}


def _floats(vector: Vector, start: int, end: int, frac_bits: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE_VALUES):
        yield to_float(vector[at : min(at + PIECE_VALUES, end)], frac_bits).astype("<f4").tobytes()


def _exact(vector: Vector, frac_bits: int) -> bytes:
    """What float32 cannot hold: numbers and integers of parameters beyond its 24 bits [INF-3]."""
    large = np.flatnonzero((vector > FLOAT32_WHOLE_MAX) | (vector < -FLOAT32_WHOLE_MAX))
    values = vector[large]
    lost = to_fixed(to_float(values, frac_bits), frac_bits) != values
    rows = np.column_stack((large[lost], values[lost]))
    return EXACT_MARK + rows.astype(">i4").tobytes() if len(rows) else b""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an inference file is: the hash of everything but its weights, and the model in it."""

    inference_hash: bytes
    model: bytes


def take_apart(data: bytes, manifest: Manifest) -> Extracted:
    """The inverse of `assemble`, trusting nothing; raises `ModelError` when the file cannot be one [INF-4].

    Every byte counts: what is no weight is in the hash, and a weight is exactly one model's.
    """
    layout = read_layout(data)
    sizes = tuple(count for _, count in layout.places)
    if sizes != manifest.sizes or layout.frac_bits != manifest.frac_bits:
        raise ModelError("the weights of the file are not those of the chain's model")
    frame, pieces = bytearray(data[: layout.size_bytes]), []
    if len(frame) != layout.size_bytes:
        raise ModelError("the file is cut off")
    last = 0
    for offset, count in sorted(layout.places):
        if offset < last or offset + 4 * count > layout.size_bytes:
            raise ModelError("the weights of the file overlap or lie outside it")
        last = offset + 4 * count
        frame[offset:last] = bytes(4 * count)
    for offset, count in layout.places:
        pieces.append(np.frombuffer(data, "<f4", count, offset))
    floats = np.concatenate(pieces)
    if not np.isfinite(floats).all():
        raise ModelError("the file holds weights that are not finite")
    vector = _with_exact(to_fixed(floats, layout.frac_bits), data[layout.size_bytes :])
    if to_float(vector, layout.frac_bits).tobytes() != floats.astype(np.float32).tobytes():
        raise ModelError("the file holds weights that are no model's values")
    return Extracted(inference_hash(bytes(frame)), encode_model(vector))


def fault_of(data: bytes, manifest: Manifest, root: bytes) -> str | None:
    """Why this file is not the chain's inference file with the model of this root in it; None when it is."""
    if manifest.inference_hash is None:
        return "the chain names no inference file: its training graph was made without one"
    try:
        found = take_apart(data, manifest)
    except ModelError as error:
        return str(error)
    if found.inference_hash != manifest.inference_hash:
        return "something beside the weights is not as the chain's founder made it"
    return None if model_root(found.model) == root else "it holds another model than the proven one"


def inference_hash(frame: bytes) -> bytes:
    """Hash of an inference file whose weights are all zero [INF-1]."""
    return digest(Tag.INFERENCE, frame)


def read_layout(data: Bytes) -> Layout:
    """Where the file says its weights are; raises `ModelError` for a file that does not say."""
    try:
        return Layout.decode(read_metadata(data, WEIGHTS_KEY, "export"))
    except DecodeError as error:
        raise ModelError(f"the file's list of weights is unreadable: {error}") from error


def _with_exact(vector: Vector, trailer: bytes) -> Vector:
    if not trailer:
        return vector
    rows = trailer[len(EXACT_MARK) :]
    if not trailer.startswith(EXACT_MARK) or len(rows) % 8 or not rows:
        raise ModelError("behind the file stands what does not belong to it")
    table = np.frombuffer(rows, ">i4").reshape(-1, 2)
    numbers, values = table[:, 0], table[:, 1].astype(np.int32)
    if numbers[0] < 0 or numbers[-1] >= len(vector) or (np.diff(numbers) <= 0).any():
        raise ModelError("the exact values behind the file are out of order")
    if (vector[numbers] == values).any():
        raise ModelError("the exact values behind the file are not needed")
    exact: Vector = vector.copy()
    exact[numbers] = values
    return exact
