"""Waking up: one question for everything a device missed, one answer, and a word of every validator [WAK].

The answer is a bundle without what the device that asked can compute: roots of what it is shown, its own key
and updates, and of the range over headers everything that follows from its own peaks. It is *untrusted*
and means nothing until `edge_client.core.waking` has put the missing parts back and the head is verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.body import RecordProof
from edge_client.protocol.encoding import Fixed, Layout, Reader, uint
from edge_client.protocol.errors import DecodeError, ProtocolError, Reason
from edge_client.protocol.handoff import Handoff, encode_handoffs, read_handoffs
from edge_client.protocol.hashing import HASH_BYTES, ZERO_HASH
from edge_client.protocol.header import AppLeaves, Header, StateLeaves
from edge_client.protocol.keys import SIGNATURE_BYTES, Purpose, Signer, Verify, signing_bytes
from edge_client.protocol.light import LightBlock
from edge_client.protocol.mmr_extension import EXTENSION_MAX
from edge_client.protocol.proofs import SIBLINGS_MAX
from edge_client.protocol.state import Learning
from edge_client.protocol.votes import Finality

ROOTS_MAX = 16
"""Updates that one question may ask for."""
NAME_BYTES = 8
"""Enough of an update root to tell a device's few pending updates apart."""
ACCOUNT_PATH_MAX = 32
_HEAD = Header.LAYOUT.without("history_root", "app_root")
_EARLIER = Header.LAYOUT.without("body_root")
_ACCOUNT = Account.LAYOUT.without("public_key")
_NUMBERS = Layout("numbers of Learning", *(one for one in Learning.LAYOUT.fields if one[1] != "b32"))
_ROOTS = tuple(name for name, kind in Learning.LAYOUT.fields if kind == "b32")
HEAD_BYTES, EARLIER_BYTES = _HEAD.size_bytes, _EARLIER.size_bytes


@dataclass(frozen=True, slots=True)
class Wake:
    """Ask: the head, my account, and what became of these updates.

    `height` is what I have linked and `epoch` that of the validator set I trust. The headers of the heights
    `headers_from` to `height` are at hand, so what stands in them needs no way to the head. With `fresh`
    every validator signs what its head is.
    """

    epoch: int
    height: int
    headers_from: int
    fresh: bool
    update_roots: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Epoch, height, headers_from (u32 each), fresh (u8), counted roots (u8)."""
        start = uint(self.epoch, 4) + uint(self.height, 4) + uint(self.headers_from, 4)
        return start + uint(self.fresh, 1) + uint(len(self.update_roots), 1) + b"".join(self.update_roots)

    @classmethod
    def read(cls, reader: Reader) -> Wake:
        """Parse from a reader; raises `DecodeError`."""
        epoch, height, headers_from = reader.uint(4), reader.uint(4), reader.uint(4)
        fresh = bool(reader.count(1, 1))
        return cls(epoch, height, headers_from, fresh, _read_hashes(reader, ROOTS_MAX))


@dataclass(frozen=True, slots=True)
class BareHead:
    """The head for a device whose peaks hold the headers up to `above`.

    `fields` is the header without its history root, which follows from `extension`, and without its app root,
    which follows from the leaves. `accounts_root` is zero when the account is shown, `next_validators_root`
    when the next set is the same. `hops` lead from the epoch asked about towards that of the header.
    """

    above: int
    fields: bytes
    finality: Finality
    model_root: bytes
    accounts_root: bytes
    params_hash: bytes
    seats_root: bytes
    next_validators_root: bytes
    learning: Learning
    extension: tuple[bytes, ...]
    hops: tuple[Handoff, ...] = ()

    @classmethod
    def of(cls, block: LightBlock, above: int, extension: tuple[bytes, ...], account_shown: bool) -> BareHead:
        """Leave out of a light block what the device can compute."""
        app, state = block.app, block.state
        same_set = app.next_validators_root == app.validators_root
        return cls(
            above=above,
            fields=_HEAD.pack(block.header),
            finality=block.finality,
            model_root=app.model_root,
            accounts_root=ZERO_HASH if account_shown else state.accounts_root,
            params_hash=state.params_hash,
            seats_root=state.seats_root,
            next_validators_root=ZERO_HASH if same_set else app.next_validators_root,
            learning=block.learning,
            extension=extension,
        )

    @property
    def height(self) -> int:
        """Height of the header."""
        return int(_HEAD.fields_of(self.fields)["height"])

    @property
    def epoch(self) -> int:
        """Epoch of the header."""
        return int(_HEAD.fields_of(self.fields)["epoch"])

    def light_block(self, history_root: bytes, validators_root: bytes, accounts_root: bytes) -> LightBlock:
        """The light block with what was left out; raises `DecodeError`. A wrong root gives another header,
        which nobody signed."""
        learning = self.learning
        state = StateLeaves(accounts_root, self.params_hash, learning.root(), self.seats_root)
        next_root = self.next_validators_root
        if next_root == validators_root:
            raise DecodeError("Awake: the next validator set is the same, and yet written out")
        next_root = validators_root if next_root == ZERO_HASH else next_root
        app = AppLeaves(self.model_root, state.root(), validators_root, next_root)
        fields = _HEAD.fields_of(self.fields)
        header = Header(**fields, history_root=history_root, app_root=app.root())
        header.check()
        return LightBlock(header, self.finality, app, state, learning)

    def encode(self) -> bytes:
        """Above (u32), counted hops (u8), header fields, numbers of `Learning`, hashes, finality,
        counted extension (u8)."""
        start = uint(self.above, 4) + encode_handoffs(self.hops) + self.fields
        start += _NUMBERS.pack(self.learning)
        roots = [getattr(self.learning, name) for name in _ROOTS]
        leaves = [self.model_root, self.accounts_root, self.params_hash, self.seats_root]
        hashes = [*leaves, self.next_validators_root, *roots]
        return start + _encode_sparse(hashes) + self.finality.encode() + _encode_hashes(self.extension)

    @classmethod
    def read(cls, reader: Reader) -> BareHead:
        """Parse from a reader; raises `DecodeError`."""
        above, hops = reader.uint(4), read_handoffs(reader)
        fields, numbers = reader.take(HEAD_BYTES), _NUMBERS.fields_of(reader.take(_NUMBERS.size_bytes))
        model, accounts, params, seats, following, *roots = _read_sparse(reader, 5 + len(_ROOTS))
        learning = Learning(**(numbers | dict(zip(_ROOTS, roots, strict=True))))
        finality = Finality.read(reader)
        leaves = model, accounts, params, seats, following
        extension = _read_hashes(reader, EXTENSION_MAX)
        return cls(above, fields, finality, *leaves, learning, extension, hops)


@dataclass(frozen=True, slots=True)
class BareAccount:
    """A proof of the account whose key is that of the device that asked."""

    index: int
    count: int
    fields: bytes
    path: tuple[bytes, ...]

    @classmethod
    def of(cls, proof: AccountProof) -> BareAccount:
        """Leave the key out."""
        return cls(proof.index, proof.count, _ACCOUNT.pack(proof.account), proof.path)

    def proof(self, public_key: bytes) -> AccountProof:
        """The proof, for who has this key; raises `DecodeError`."""
        account = Account(public_key=public_key, **_ACCOUNT.fields_of(self.fields))
        account.check()
        return AccountProof(self.index, self.count, account, self.path)

    def encode(self) -> bytes:
        """Index and count (u32 each), account without its key, counted path (u8)."""
        return uint(self.index, 4) + uint(self.count, 4) + self.fields + _encode_hashes(self.path)

    @classmethod
    def read(cls, reader: Reader) -> BareAccount:
        """Parse from a reader; raises `DecodeError`."""
        index, count, fields = reader.uint(4), reader.uint(4), reader.take(_ACCOUNT.size_bytes)
        return cls(index, count, fields, _read_hashes(reader, ACCOUNT_PATH_MAX))


@dataclass(frozen=True, slots=True)
class EarlierHeader:
    """A header before the head, without its body root, and its siblings below the first node of the range
    that the device knows."""

    fields: bytes
    below: tuple[bytes, ...]

    @classmethod
    def of(cls, header: Header, below: tuple[bytes, ...]) -> EarlierHeader:
        """Leave the body root out."""
        return cls(_EARLIER.pack(header), below)

    def header(self, body_root: bytes) -> Header:
        """The header with this body root; raises `DecodeError`."""
        header = Header(body_root=body_root, **_EARLIER.fields_of(self.fields))
        header.check()
        return header

    def encode(self) -> bytes:
        """Header fields, counted siblings (u8)."""
        return self.fields + _encode_hashes(self.below)

    @classmethod
    def read(cls, reader: Reader) -> EarlierHeader:
        """Parse from a reader; raises `DecodeError`."""
        return cls(reader.take(EARLIER_BYTES), _read_hashes(reader, SIBLINGS_MAX))


@dataclass(frozen=True, slots=True)
class Shown:
    """That the update whose root begins with `name` stands in a block: of a height whose header the device
    has or is given as the head, or of a header that is shown."""

    name: bytes
    at: int | EarlierHeader
    record: RecordProof

    def encode(self) -> bytes:
        """Name (8 bytes), flag (u8): 0 and height (u32), or 1 and `EarlierHeader`; record proof."""
        at = self.at
        place = b"\x00" + uint(at, 4) if isinstance(at, int) else b"\x01" + at.encode()
        return self.name + place + self.record.encode()

    @classmethod
    def read(cls, reader: Reader) -> Shown:
        """Parse from a reader; raises `DecodeError`."""
        name = reader.take(NAME_BYTES)
        at = EarlierHeader.read(reader) if reader.count(1, 1) else reader.uint(4)
        return cls(name, at, RecordProof.read(reader))


@dataclass(frozen=True, slots=True)
class Awake:
    """Answer to `Wake`: the head (or just its height, when it is not above the one asked about), the account
    as of that height if there is one, and the updates found."""

    head: int | BareHead
    account: BareAccount | None
    shown: tuple[Shown, ...]

    @property
    def height(self) -> int:
        """Height of the validator's head."""
        return self.head if isinstance(self.head, int) else self.head.height

    @property
    def epoch(self) -> int | None:
        """Epoch of the head that is shown."""
        return None if isinstance(self.head, int) else self.head.epoch

    def encode(self) -> bytes:
        """Flag (u8): 0 and height (u32), or 1 and `BareHead`; flag (u8) and account; counted updates (u8)."""
        head = b"\x00" + uint(self.head, 4) if isinstance(self.head, int) else b"\x01" + self.head.encode()
        account = b"\x00" if self.account is None else b"\x01" + self.account.encode()
        return head + account + uint(len(self.shown), 1) + b"".join(one.encode() for one in self.shown)

    @classmethod
    def read(cls, reader: Reader) -> Awake:
        """Parse from a reader; raises `DecodeError`."""
        head = BareHead.read(reader) if reader.count(1, 1) else reader.uint(4)
        account = BareAccount.read(reader) if reader.count(1, 1) else None
        if isinstance(head, BareHead) and (head.accounts_root == ZERO_HASH) != (account is not None):
            raise DecodeError("Awake: the accounts root is left out exactly when the account is shown")
        return cls(head, account, tuple(Shown.read(reader) for _ in range(reader.count(1, ROOTS_MAX))))


@dataclass(frozen=True, slots=True)
class Fresh(Fixed):
    """A validator's word that this was its head when it heard the question with this nonce [FRS-1]."""

    LAYOUT: ClassVar[Layout] = Layout(
        "Fresh", ("nonce", "u64"), ("height", "u32"), ("hash", "b32"), ("signature", "b64")
    )
    nonce: int
    height: int
    hash: bytes
    signature: bytes = bytes(SIGNATURE_BYTES)

    def signing_bytes(self, chain_id: bytes) -> bytes:
        """What the validator signs."""
        return signing_bytes(Purpose.FRESH, chain_id, self.encode()[:-SIGNATURE_BYTES])

    def sign(self, signer: Signer, chain_id: bytes) -> Fresh:
        """The word with the validator's signature."""
        return replace(self, signature=signer.sign(self.signing_bytes(chain_id)))

    def verify(self, chain_id: bytes, public_key: bytes, verify: Verify) -> None:
        """Raise `ProtocolError` unless this validator signed."""
        if not verify(public_key, self.signing_bytes(chain_id), self.signature):
            raise ProtocolError(Reason.BAD_SIGNATURE, "freshness")

    @classmethod
    def read(cls, reader: Reader) -> Fresh:
        """Parse from a reader; raises `DecodeError`."""
        return reader.fixed(cls)


def _encode_hashes(hashes: Sequence[bytes]) -> bytes:
    return uint(len(hashes), 1) + b"".join(hashes)


def _read_hashes(reader: Reader, count_max: int) -> tuple[bytes, ...]:
    return tuple(reader.take(HASH_BYTES) for _ in range(reader.count(1, count_max)))


def _encode_sparse(hashes: Sequence[bytes]) -> bytes:
    """A bitmap (u16) of those that are not zero, and those."""
    bits = sum(1 << i for i, one in enumerate(hashes) if one != ZERO_HASH)
    return uint(bits, 2) + b"".join(one for one in hashes if one != ZERO_HASH)


def _read_sparse(reader: Reader, count: int) -> list[bytes]:
    bits = reader.count(2, (1 << count) - 1)
    hashes: list[Any] = [reader.take(HASH_BYTES) if bits >> i & 1 else None for i in range(count)]
    if ZERO_HASH in hashes:
        raise DecodeError("Awake: a zero hash written out")
    return [ZERO_HASH if one is None else one for one in hashes]
