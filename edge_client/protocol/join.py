"""The join string: one line that lets a device find a chain and trust nothing else.

    flchain:<mqtt url>[,<mqtt url>]?g=<chain id>[&c=<height>:<header hash>][&ca=<sha256>][&v=<voucher>][&k=…]

A server is `mqtt://host[:port]` or `mqtts://host[:port]`. `k` is four bytes over everything before it: with
it a typo is told from a chain that does not exist [JOIN-2].
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge_client.protocol.hashing import HASH_BYTES, Tag, digest

SCHEME = "flchain:"
SERVERS_MAX = 8
SERVER_CHARS_MAX = 280
PORT_MAX = 65535
HEIGHT_MAX = (1 << 32) - 1
VOUCHER_BYTES = 4 + 1 + 32 + 64
ORIGIN = "take the whole line that `edge-broker init` printed (`join.txt` of the chain's founder)"
_CHECK_CHARS = 8
_SERVER = re.compile(r"mqtts?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


class JoinError(ValueError):
    """The join string cannot be right; the text says which part and what was expected."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A header the operator vouches for."""

    height: int
    header_hash: bytes


@dataclass(frozen=True, slots=True)
class Voucher:
    """One admission: number, owner, the secret seed of the voucher key and the owner's signature on it."""

    number: int
    owner: int
    seed: bytes
    owner_signature: bytes

    def encode(self) -> bytes:
        """Number (u32), owner (u8), seed, signature."""
        return self.number.to_bytes(4, "big") + bytes([self.owner]) + self.seed + self.owner_signature


@dataclass(frozen=True, slots=True)
class Join:
    """A parsed join string."""

    servers: tuple[str, ...]
    chain_id: bytes
    checkpoint: Checkpoint | None = None
    ca_sha256: bytes | None = None
    voucher: Voucher | None = None

    def text(self) -> str:
        """The one line, with its check."""
        parts = [f"g={self.chain_id.hex()}"]
        if self.checkpoint is not None:
            parts.append(f"c={self.checkpoint.height}:{self.checkpoint.header_hash.hex()}")
        if self.ca_sha256 is not None:
            parts.append(f"ca={self.ca_sha256.hex()}")
        if self.voucher is not None:
            parts.append(f"v={self.voucher.encode().hex()}")
        body = f"{SCHEME}{','.join(self.servers)}?{'&'.join(parts)}"
        return f"{body}&k={_check(body)}"


def parse_join(text: str) -> Join:
    """Parse a join string; raises `JoinError` with one sentence."""
    text = text.strip()
    if not text.startswith(SCHEME):
        found = f"this one with '{text[:12]}'" if text else "this one is empty"
        raise JoinError(f"a join string starts with '{SCHEME}', {found}; {ORIGIN}")
    if not text.isascii():
        raise JoinError(f"the join string has characters that no join string has; {ORIGIN}")
    body, separator, check = text.partition("&k=")
    if separator and check != _check(body):
        raise JoinError("the join string has a typo: its check 'k=' does not fit the rest; copy it again")
    servers, _, query = body[len(SCHEME) :].partition("?")
    fields: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name not in ("g", "c", "ca", "v") or name in fields:
            raise JoinError(f"the join string has an unknown or repeated part '{part[:20]}'")
        fields[name] = value
    if "g" not in fields:
        raise JoinError("the join string lacks the chain id 'g='")
    return Join(
        _servers(servers),
        _hex("g", fields["g"], HASH_BYTES),
        parse_checkpoint(fields["c"]) if "c" in fields else None,
        _hex("ca", fields["ca"], HASH_BYTES) if "ca" in fields else None,
        _voucher(fields["v"]) if "v" in fields else None,
    )


def _servers(text: str) -> tuple[str, ...]:
    servers = tuple(text.split(","))
    if len(servers) > SERVERS_MAX:
        raise JoinError(f"the join string names {len(servers)} servers, at most {SERVERS_MAX}")
    for server in servers:
        match = _SERVER.fullmatch(server)
        if match is None or len(server) > SERVER_CHARS_MAX:
            raise JoinError(f"'{server[:40]}' is not an MQTT address like mqtts://host:8883")
        if match[1] and not 1 <= int(match[1]) <= PORT_MAX:
            raise JoinError(f"'{server[:40]}' has a port outside 1 to {PORT_MAX}")
    return servers


def _hex(name: str, value: str, size_bytes: int) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        data = b""
    if len(data) != size_bytes or len(value) != 2 * size_bytes:
        raise JoinError(f"'{name}=' in the join string must be {2 * size_bytes} hex digits, not {len(value)}")
    return data


def parse_checkpoint(value: str) -> Checkpoint:
    """Parse `HEIGHT:HASH`; raises `JoinError`."""
    height, _, header_hash = value.partition(":")
    if not (height.isascii() and height.isdecimal() and len(height) <= 10 and int(height) <= HEIGHT_MAX):
        raise JoinError(f"'{value[:20]}' is no checkpoint: HEIGHT:HASH")
    return Checkpoint(int(height), _hex("c", header_hash, HASH_BYTES))


def _voucher(value: str) -> Voucher:
    data = _hex("v", value, VOUCHER_BYTES)
    return Voucher(int.from_bytes(data[:4], "big"), data[4], data[5:37], data[37:])


def _check(body: str) -> str:
    return digest(Tag.JOIN, body.encode()).hex()[:_CHECK_CHARS]
