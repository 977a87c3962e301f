"""Genesis: the one canonical struct a chain starts from; its hash is the chain id."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from edge_client.protocol.chunks import OBJECT_BYTES_MAX
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.hashing import HASH_BYTES, Tag, digest
from edge_client.protocol.keys import KEY_BYTES, is_small_order
from edge_client.protocol.manifest import Manifest
from edge_client.protocol.params import RoundParams
from edge_client.protocol.records import OWNERS_MAX
from edge_client.protocol.validators import VALIDATORS_MAX, ValidatorSet

GENESIS_VERSION = 1
MANIFEST_BYTES_MAX = 1 << 18
ADMITTED_MAX = 1 << 14


class Admission(IntEnum):
    """Who may register: anybody, holders of an owner's voucher, or the keys listed in genesis."""

    OPEN = 0
    TOKEN = 1
    LIST = 2


@dataclass(frozen=True, slots=True)
class Genesis:
    """Everything that is true before the first block. `t0_s` is Unix seconds; chain time counts from it."""

    t0_s: int
    validators: ValidatorSet
    owners: tuple[bytes, ...]
    owner_threshold: int
    admission: Admission
    admitted: tuple[bytes, ...]
    graph_root: bytes
    graph_bytes: int
    manifest: Manifest
    model_root: bytes
    params: RoundParams

    def encode(self) -> bytes:
        """Version u8, t0 u64, then the fields in order, lists behind their counts."""
        return b"".join(
            (
                uint(GENESIS_VERSION, 1),
                uint(self.t0_s, 8),
                uint(self.validators.count, 1) + self.validators.encode(),
                uint(len(self.owners), 1) + b"".join(self.owners),
                uint(self.owner_threshold, 1),
                uint(self.admission, 1),
                uint(len(self.admitted), 2) + b"".join(self.admitted),
                self.graph_root + uint(self.graph_bytes, 4),
                blob(self.manifest.encode(), 4),
                self.model_root,
                self.params.encode(),
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        """Inverse of `encode`; raises `DecodeError`."""
        reader = Reader(data, "Genesis")
        if reader.uint(1) != GENESIS_VERSION:
            raise DecodeError("Genesis: unknown version")
        genesis = cls(
            t0_s=reader.uint(8),
            validators=ValidatorSet(_keys(reader, 1, VALIDATORS_MAX)),
            owners=_keys(reader, 1, OWNERS_MAX),
            owner_threshold=reader.uint(1),
            admission=_admission(reader.uint(1)),
            admitted=_keys(reader, 2, ADMITTED_MAX),
            graph_root=reader.take(HASH_BYTES),
            graph_bytes=reader.uint(4),
            manifest=Manifest.decode(reader.blob(4, MANIFEST_BYTES_MAX)),
            model_root=reader.take(HASH_BYTES),
            params=reader.fixed(RoundParams),
        )
        reader.finish()
        genesis.check()
        return genesis

    def check(self) -> None:
        """Refuse a genesis that contradicts itself [GEN-3]."""
        if not 1 <= self.owner_threshold <= len(self.owners):
            raise DecodeError(f"Genesis: {self.owner_threshold} of {len(self.owners)} owners")
        if (self.admission == Admission.LIST) != bool(self.admitted):
            raise DecodeError("Genesis: a list of admitted keys goes with admission by list")
        if any(is_small_order(key) for key in (*self.validators.keys, *self.owners)):
            raise DecodeError("Genesis: key of small order")
        if not 1 <= self.graph_bytes <= OBJECT_BYTES_MAX:
            raise DecodeError(f"Genesis: training graph of {self.graph_bytes} bytes")
        if self.params.sequence:
            raise DecodeError("Genesis: params start at sequence 0")
        self.params.check()
        check_churn(self.params, self.validators)
        if self.params.batch != self.manifest.batch:
            raise DecodeError(f"Genesis: batch {self.params.batch}, the graph has {self.manifest.batch}")

    def chain_id(self) -> bytes:
        """The 32-byte name of the chain [GEN-1]."""
        return digest(Tag.GENESIS, self.encode())


def check_churn(params: RoundParams, validators: ValidatorSet) -> None:
    """Raise `DecodeError` when one election could seat more newcomers than may be faulty: if they never show
    up, the others must still be a quorum [ELE-4]."""
    if params.churn_max > validators.faulty_max:
        raise DecodeError(
            f"churn_max {params.churn_max}: at most {validators.faulty_max} of {validators.count} validators",
            Reason.OUT_OF_RANGE,
        )


def _keys(reader: Reader, size_bytes: int, count_max: int) -> tuple[bytes, ...]:
    keys = tuple(reader.take(KEY_BYTES) for _ in range(reader.count(size_bytes, count_max)))
    if len(set(keys)) != len(keys):
        raise DecodeError("Genesis: a key stands twice in one list")
    return keys


def _admission(value: int) -> Admission:
    try:
        return Admission(value)
    except ValueError:
        raise DecodeError(f"Genesis: admission {value}") from None
