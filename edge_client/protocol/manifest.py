"""The manifest: what the exchanged vector means, fixed in genesis and carried inside every training graph.

Integers only, because genesis signs its bytes: input scaling is a fraction, parameter values are
int32 * 2**-frac_bits. Layout (big-endian): version u8, loss u8, frac_bits u8, flags u8, batch u16,
outputs u16, input_scale_num u32, input_scale_den u32, input dims (rank u8, then u32 each), tensor count u16,
then per tensor its name (u8 length, printable ASCII) and its dims (rank u8, then u32 each); with flag 1, the
inference hash (32 bytes) at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import prod

from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import HASH_BYTES

MANIFEST_VERSION = 1
FRAC_BITS_MAX = 30
FRAC_BITS_DEFAULT = 20
TENSORS_MAX = 4096
RANK_MAX = 6
NAME_BYTES_MAX = 255
INPUT_VALUES_MAX = 1 << 24
# Equal to model.PARAMETERS_MAX (a test says so); importing that would load OpenSSL, 4 MB, just to train.
PARAMETERS_MAX = 1 << 24
U16_MAX = (1 << 16) - 1
U32_MAX = (1 << 32) - 1


class Loss(IntEnum):
    """What the training graph minimises, as the weighted mean over the batch."""

    SOFTMAX_CROSS_ENTROPY = 0
    SIGMOID_CROSS_ENTROPY = 1
    MSE = 2
    HUBER = 3


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name and shape of one trainable tensor; its values are float32 on a device, int32 on the wire."""

    name: str
    dims: tuple[int, ...]

    @property
    def size(self) -> int:
        """Parameters in this tensor."""
        return prod(self.dims)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a device, a validator or an auditor needs to read an update vector.

    `input_dims` is without the batch. Raw samples become graph inputs as
    raw * input_scale_num / input_scale_den in float32. `outputs` is the number of classes or values (K).
    `inference_hash` names the plain inference file that models go into [INF-1]; None: there is none.
    """

    loss: Loss
    batch: int
    outputs: int
    input_dims: tuple[int, ...]
    tensors: tuple[TensorSpec, ...]
    frac_bits: int = FRAC_BITS_DEFAULT
    input_scale_num: int = 1
    input_scale_den: int = 1
    inference_hash: bytes | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Parameters of each tensor, in the order of the exchanged vector."""
        return tuple(tensor.size for tensor in self.tensors)

    @property
    def parameter_count(self) -> int:
        """Length of the exchanged vector."""
        return sum(self.sizes)

    def encode(self) -> bytes:
        """The canonical bytes; a manifest that `decode` would refuse raises `DecodeError` here."""
        self._check()
        head = [
            *(uint(MANIFEST_VERSION, 1), uint(self.loss, 1), uint(self.frac_bits, 1)),
            uint(self.inference_hash is not None, 1),
            *(uint(self.batch, 2), uint(self.outputs, 2)),
            *(uint(self.input_scale_num, 4), uint(self.input_scale_den, 4)),
            *(_encode_dims(self.input_dims), uint(len(self.tensors), 2)),
        ]
        tensors = [blob(t.name.encode("ascii"), 1) + _encode_dims(t.dims) for t in self.tensors]
        return b"".join([*head, *tensors, self.inference_hash or b""])

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Inverse of `encode`; raises `DecodeError` on anything else."""
        reader = Reader(data, "manifest")
        version, loss, frac_bits, flags = (reader.uint(1) for _ in range(4))
        if version != MANIFEST_VERSION:
            raise DecodeError(f"manifest: version {version}, this program knows {MANIFEST_VERSION}")
        if loss not in Loss.__members__.values() or flags > 1:
            raise DecodeError(f"manifest: loss {loss}, flags {flags}")
        batch, outputs = reader.uint(2), reader.uint(2)
        scale_num, scale_den = reader.uint(4), reader.uint(4)
        input_dims = _decode_dims(reader)
        tensors = tuple(_decode_tensor(reader) for _ in range(reader.count(2, TENSORS_MAX)))
        inference = reader.take(HASH_BYTES) if flags else None
        reader.finish()
        manifest = cls(
            *(Loss(loss), batch, outputs, input_dims, tensors, frac_bits, scale_num, scale_den, inference)
        )
        manifest._check()
        return manifest

    def _check(self) -> None:
        """Refuse what fits the layout but makes no sense; raises `DecodeError`."""
        if self.frac_bits not in range(FRAC_BITS_MAX + 1):
            raise DecodeError(f"manifest: frac_bits {self.frac_bits}, at most {FRAC_BITS_MAX}")
        if self.batch not in range(1, U16_MAX + 1) or self.outputs not in range(1, U16_MAX + 1):
            raise DecodeError(f"manifest: batch {self.batch}, outputs {self.outputs}")
        for scale in (self.input_scale_num, self.input_scale_den):
            if scale not in range(1, U32_MAX + 1):
                raise DecodeError(f"manifest: input scale {scale}")
        _check_dims("input", self.input_dims)
        if prod(self.input_dims) > INPUT_VALUES_MAX:
            raise DecodeError(
                f"manifest: input of {prod(self.input_dims)} values, at most {INPUT_VALUES_MAX}"
            )
        _check_tensors(self.tensors)


def _check_tensors(tensors: tuple[TensorSpec, ...]) -> None:
    if len(tensors) not in range(1, TENSORS_MAX + 1):
        raise DecodeError(f"manifest: {len(tensors)} tensors, 1 to {TENSORS_MAX}")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise DecodeError("manifest: two tensors of the same name")
    for tensor in tensors:
        if not (tensor.name.isascii() and tensor.name.isprintable()):
            raise DecodeError("manifest: a tensor name is not printable ASCII")
        if len(tensor.name) not in range(1, NAME_BYTES_MAX + 1):
            raise DecodeError(f"manifest: a tensor name of {len(tensor.name)} bytes")
        _check_dims(tensor.name, tensor.dims)
    if sum(tensor.size for tensor in tensors) > PARAMETERS_MAX:
        raise DecodeError(f"manifest: more than {PARAMETERS_MAX} parameters")


def _check_dims(name: str, dims: tuple[int, ...]) -> None:
    if len(dims) > RANK_MAX:
        raise DecodeError(f"manifest: {name} of rank {len(dims)}, at most {RANK_MAX}")
    if any(dim not in range(1, U32_MAX + 1) for dim in dims):
        raise DecodeError(f"manifest: {name} has dims {dims}")


def _encode_dims(dims: tuple[int, ...]) -> bytes:
    return uint(len(dims), 1) + b"".join(uint(dim, 4) for dim in dims)


def _decode_dims(reader: Reader) -> tuple[int, ...]:
    return tuple(reader.uint(4) for _ in range(reader.count(1, RANK_MAX)))


def _decode_tensor(reader: Reader) -> TensorSpec:
    name = reader.blob(1, NAME_BYTES_MAX)
    if not name.isascii():
        raise DecodeError("manifest: a tensor name is not printable ASCII")
    return TensorSpec(name.decode("ascii"), _decode_dims(reader))
