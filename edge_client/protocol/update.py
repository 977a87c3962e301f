"""A client update: what a device learned in a round, as one signed head and a body of small integers.

Body (codec INT8): one signed byte exponent e in [-30, 0] per tensor, then one code q in [-127, 127] per
parameter, in manifest order. A parameter's delta is q * 2**e.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edge_client.protocol.chunks import chunk_hash, pieces
from edge_client.protocol.encoding import Fixed, Layout, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.keys import Purpose, Signer, Verify, signing_bytes

EXPONENT_MIN = -30
EXPONENT_MAX = 0
CODE_MAX = 127
UNKNOWN_U32 = 0xFFFFFFFF

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class UpdateHead(Fixed):
    """The 176 bytes that stay on the chain for ever.

    `round` and the base name the model the device started from; `size` is the body's length in bytes;
    `samples` the local data, `steps` the steps really done. All ones means unknown in energy and bytes.
    """

    LAYOUT: ClassVar[Layout] = Layout(
        "UpdateHead",
        ("account", "u32"),
        ("round", "u32"),
        ("base_height", "u32"),
        ("base_model", "b32"),
        ("update_root", "b32"),
        ("size", "u32"),
        ("samples", "u32"),
        ("steps", "u32"),
        ("codec", "u8"),
        ("flags", "u8"),
        ("reserved", "u16"),
        ("energy_mj", "u32"),
        ("up_bytes", "u32"),
        ("down_bytes", "u32"),
        ("loss_before_micro", "u32"),
        ("loss_after_micro", "u32"),
        ("signature", "b64"),
    )
    account: int
    round: int
    base_height: int
    base_model: bytes
    update_root: bytes
    size: int
    samples: int
    steps: int
    codec: int = 0
    flags: int = 0
    reserved: int = 0
    energy_mj: int = UNKNOWN_U32
    up_bytes: int = UNKNOWN_U32
    down_bytes: int = UNKNOWN_U32
    loss_before_micro: int = UNKNOWN_U32
    loss_after_micro: int = UNKNOWN_U32
    signature: bytes = bytes(64)

    def check(self) -> None:
        """Fields without a meaning yet are zero; an update without data or work is none."""
        if self.codec or self.flags or self.reserved:
            raise DecodeError("UpdateHead: unknown codec, flags or reserved bits", Reason.OUT_OF_RANGE)
        if not (self.samples and self.steps and self.size and self.round):
            raise DecodeError("UpdateHead: no samples, steps, body or round", Reason.OUT_OF_RANGE)

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the device signs: everything but the signature."""
        return signing_bytes(Purpose.UPDATE, chain_id, self.encode()[:-64])

    def sign(self, signer: Signer, chain_id: bytes) -> UpdateHead:
        """The head with the device's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, public_key: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless the account's key signed this head for this chain."""
        if not verify(public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, f"update of account {self.account}")


@dataclass(frozen=True, slots=True, eq=False)
class UpdateBody:
    """Codes and exponents of a client update; `codes` int8 [parameters], one exponent per tensor."""

    exponents: tuple[int, ...]
    codes: Codes

    def encode(self) -> bytes:
        """Exponents, then codes."""
        return np.array(self.exponents, dtype=np.int8).tobytes() + self.codes.tobytes()

    @classmethod
    def decode(cls, data: bytes, sizes: Sequence[int]) -> UpdateBody:
        """Parse the body for tensors of these sizes; raises `DecodeError` on wrong shape or range."""
        if len(data) != len(sizes) + sum(sizes):  # [UPD-3]
            detail = f"update body of {len(data)} bytes, not {len(sizes) + sum(sizes)}"
            raise DecodeError(detail, Reason.WRONG_SHAPE)
        exponents = tuple(int(e) for e in np.frombuffer(data, dtype=np.int8, count=len(sizes)))
        if any(not EXPONENT_MIN <= e <= EXPONENT_MAX for e in exponents):
            raise DecodeError("update exponent outside -30 to 0", Reason.OUT_OF_RANGE)
        codes = np.frombuffer(data, dtype=np.int8, offset=len(sizes))
        if codes.size and int(codes.min()) < -CODE_MAX:
            raise DecodeError("update code -128", Reason.OUT_OF_RANGE)
        return cls(exponents, codes)


def update_root(
    public_key: bytes, round_number: int, size_bytes: int, chunk_hashes: Sequence[bytes]
) -> bytes:
    """Root of an update body. It covers the account's key, so nobody can hand in a copy as his own, and the
    round, so that the same body in two rounds is two updates [UPD-4]."""
    return digest(Tag.UPDATE, public_key, uint(round_number, 4), uint(size_bytes, 4), *chunk_hashes)


def update_root_of(public_key: bytes, round_number: int, body: bytes) -> bytes:
    """Root of a body that is all here."""
    return update_root(public_key, round_number, len(body), [chunk_hash(piece) for piece in pieces(body)])
