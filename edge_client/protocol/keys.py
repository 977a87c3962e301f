"""Ed25519 through PyNaCl only [KEY-1] (libraries disagree on edge cases: ADR 0002), and identities.

Every signature covers a domain tag, the protocol version and the chain id, so nothing signed for one
purpose or one chain is valid for another.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from edge_client.protocol.hashing import Tag, digest

PROTOCOL_VERSION = 1
SEED_BYTES = 32
KEY_BYTES = 32
SIGNATURE_BYTES = 64
NODE_ID_CHARS = 32
NODE_IDS_REMEMBERED_MAX = 256
"""Whoever talks all day asks for its own name and those of the validators at every message."""


class Purpose(bytes, Enum):
    """What a signature is for; exactly eight bytes each."""

    UPDATE = b"update--"
    REGISTER = b"register"
    VOUCHER = b"voucher-"
    PARAMS = b"params--"
    REVOKE = b"revoke--"
    PROPOSE = b"propose-"
    NOTARIZE = b"notarize"
    NULLIFY = b"nullify-"
    FINALIZE = b"finalize"
    RECEIPT = b"receipt-"
    FRESH = b"fresh---"
    OPT_IN = b"opt-in--"
    OPT_OUT = b"opt-out-"
    CONSENT = b"consent-"


Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> valid; `verify` in production, another scheme in simulations."""


def signing_bytes(purpose: Purpose, chain_id: bytes, payload: bytes) -> bytes:
    """What is really signed: purpose, protocol version, chain id, payload [SIG-1]."""
    return purpose.value + bytes([PROTOCOL_VERSION]) + chain_id + payload


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether libsodium accepts the signature; small-order keys never verify."""
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


class Signer:
    """An Ed25519 key pair made from a 32-byte seed; never shows the seed in `repr`."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature (deterministic)."""
        return bytes(crypto_sign(message, self._secret)[:SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"Signer({node_id(self.public_key)})"


@lru_cache(maxsize=NODE_IDS_REMEMBERED_MAX)
def node_id(public_key: bytes) -> str:
    """Name of a device or validator outside the chain: 32 hex characters of its key's hash [KEY-3]."""
    return digest(Tag.DEVICE, public_key).hex()[:NODE_ID_CHARS]


def is_small_order(public_key: bytes) -> bool:
    """Whether the key is a point of small order, which would make signatures meaningless [KEY-2]."""
    masked = public_key[:31] + bytes([public_key[31] & 0x7F])
    return masked in SMALL_ORDER_KEYS


SMALL_ORDER_KEYS = frozenset(
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""The encodings of the eight points of small order, sign bit cleared, canonical or not (RFC 8032 §5.1.3)."""
