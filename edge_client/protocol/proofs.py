"""Portable proofs: what somebody without a chain needs to believe one fact about it [PRF].

A *bundle* is a final header and facts under it, each with the earlier header it belongs to. The peaks of the
range under the final header stand there once, and every earlier header is shown against them. A *proof file*
is a bundle behind the genesis it goes back to. Everything here is *untrusted* until `proof_checks` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.body import RecordProof
from edge_client.protocol.encoding import Reader, blob, uint
from edge_client.protocol.errors import DecodeError, Reason
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.handoff import Handoff, encode_handoffs, read_handoffs
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.header import AppLeaves, Header, StateLeaves
from edge_client.protocol.mmr import MmrProof, Peaks
from edge_client.protocol.update import UpdateHead
from edge_client.protocol.votes import Finality

PROOF_MAGIC = b"flcproof"
PROOF_VERSION = 1
PROOF_BYTES_MAX = 1 << 20
"""Genesis is the largest part: at most 256 KiB of manifest and 512 KiB of admitted keys."""
SIBLINGS_MAX = 31
BUNDLE_CLAIMS_MAX = 16


@dataclass(frozen=True, slots=True)
class AncestorProof:
    """An earlier header, and its siblings in the range under the head of the bundle."""

    header: Header
    siblings: tuple[bytes, ...]

    def root_for(self, chain_id: bytes, peaks: Peaks) -> bytes | None:
        """The `history_root` that is proven, or None when the proof has the wrong shape."""
        proof = MmrProof(self.header.height, self.siblings, peaks)
        return proof.root_for(self.header.hash(chain_id))

    def encode(self) -> bytes:
        """Header, counted siblings (u8)."""
        return self.header.encode() + uint(len(self.siblings), 1) + b"".join(self.siblings)

    @classmethod
    def read(cls, reader: Reader) -> AncestorProof:
        """Parse from a reader; raises `DecodeError`."""
        header = reader.fixed(Header)
        return cls(header, tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, SIBLINGS_MAX))))


@dataclass(frozen=True, slots=True)
class UpdateProof:
    """That an update stands in the block of `at`; None for the head of the bundle itself."""

    at: AncestorProof | None
    update: UpdateHead
    record: RecordProof

    def encode(self) -> bytes:
        """Optional ancestor, update head, record proof."""
        return _optional(self.at) + self.update.encode() + self.record.encode()

    @classmethod
    def read(cls, reader: Reader) -> UpdateProof:
        """Parse from a reader; raises `DecodeError`."""
        return cls(_read_optional(reader), reader.fixed(UpdateHead), RecordProof.read(reader))


@dataclass(frozen=True, slots=True)
class BalanceProof:
    """That an account had these numbers after the block of `at` (None: the head)."""

    at: AncestorProof | None
    app: AppLeaves
    state: StateLeaves
    account: AccountProof

    def encode(self) -> bytes:
        """Optional ancestor, the leaves of that block, account proof."""
        return _optional(self.at) + self.app.encode() + self.state.encode() + self.account.encode()

    @classmethod
    def read(cls, reader: Reader) -> BalanceProof:
        """Parse from a reader; raises `DecodeError`."""
        at, app = _read_optional(reader), reader.fixed(AppLeaves)
        return cls(at, app, reader.fixed(StateLeaves), AccountProof.read(reader))


@dataclass(frozen=True, slots=True)
class ModelProof:
    """That `app.model_root` is the model after the block of `at` (None: the head)."""

    at: AncestorProof | None
    app: AppLeaves

    def encode(self) -> bytes:
        """Optional ancestor, the leaves of that block."""
        return _optional(self.at) + self.app.encode()

    @classmethod
    def read(cls, reader: Reader) -> ModelProof:
        """Parse from a reader; raises `DecodeError`."""
        return cls(_read_optional(reader), reader.fixed(AppLeaves))


Claim = UpdateProof | BalanceProof | ModelProof


class ClaimKind(IntEnum):
    """What a claim of a bundle is about."""

    UPDATE = 1
    BALANCE = 2
    MODEL = 3


_CLAIMS: dict[ClaimKind, tuple[type, Callable[[Reader], Claim]]] = {
    ClaimKind.UPDATE: (UpdateProof, UpdateProof.read),
    ClaimKind.BALANCE: (BalanceProof, BalanceProof.read),
    ClaimKind.MODEL: (ModelProof, ModelProof.read),
}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A header, what shows it final, the peaks under it, and what is shown by them.

    `checkpoint` is an earlier header for whoever trusts that one; `hops` lead from the validators of genesis
    to those of the head.
    """

    head: Header
    finality: Finality
    peaks: Peaks
    checkpoint: AncestorProof | None
    claims: tuple[Claim, ...]
    hops: tuple[Handoff, ...] = ()

    def encode(self) -> bytes:
        """Counted hops (u8), then the fields; the claims counted and behind their kinds (u8 each)."""
        claims = b"".join(uint(_kind_of(one), 1) + one.encode() for one in self.claims)
        start = encode_handoffs(self.hops) + self.head.encode() + self.finality.encode() + self.peaks.encode()
        return start + _optional(self.checkpoint) + uint(len(self.claims), 1) + claims

    @classmethod
    def read(cls, reader: Reader) -> Bundle:
        """Parse from a reader; raises `DecodeError`."""
        hops = read_handoffs(reader)
        head, finality, peaks = reader.fixed(Header), Finality.read(reader), Peaks.read(reader)
        checkpoint = _read_optional(reader)
        claims = tuple(_read_claim(reader) for _ in range(reader.count(1, BUNDLE_CLAIMS_MAX)))
        return cls(head, finality, peaks, checkpoint, claims, hops)


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A bundle and the genesis it goes back to, as a file that anybody can check offline."""

    genesis: Genesis
    bundle: Bundle

    def encode(self) -> bytes:
        """Magic, version (u8), genesis behind its length (u32), bundle."""
        start = PROOF_MAGIC + uint(PROOF_VERSION, 1)
        return start + blob(self.genesis.encode(), 4) + self.bundle.encode()

    @classmethod
    def decode(cls, data: bytes) -> ProofFile:
        """Inverse of `encode`; raises `DecodeError`."""
        if len(data) > PROOF_BYTES_MAX:
            raise DecodeError(f"proof of {len(data)} bytes", Reason.OVERSIZE)
        reader = Reader(data, "proof")
        if not data.startswith(PROOF_MAGIC):
            raise DecodeError("this is not a proof file")
        reader.take(len(PROOF_MAGIC))
        version = reader.uint(1)
        if version != PROOF_VERSION:
            raise DecodeError(f"proof of version {version}")
        genesis = Genesis.decode(reader.blob(4, PROOF_BYTES_MAX))
        proof = cls(genesis, Bundle.read(reader))
        reader.finish()
        return proof


def _optional(proof: AncestorProof | None) -> bytes:
    """A flag (u8) and, if it is 1, the proof."""
    return b"\x00" if proof is None else b"\x01" + proof.encode()


def _read_optional(reader: Reader) -> AncestorProof | None:
    return AncestorProof.read(reader) if reader.count(1, 1) else None


def _kind_of(claim: Claim) -> ClaimKind:
    return next(kind for kind, (form, _) in _CLAIMS.items() if form is type(claim))


def _read_claim(reader: Reader) -> Claim:
    kind = reader.uint(1)
    if kind not in tuple(ClaimKind):
        raise DecodeError(f"proof: claim of kind {kind}")
    return _CLAIMS[ClaimKind(kind)][1](reader)
