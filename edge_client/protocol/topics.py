"""The topic tree of one chain [TOP-1]: the only place that builds or splits topic strings.

`device` and `validator` are node ids (32 hex characters of the key's hash), which are also MQTT user and
client id, so that an MQTT server's access list can be written with its own substitution.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_client.protocol.chunks import CHUNKS_MAX
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.hashing import HASH_BYTES
from edge_client.protocol.keys import NODE_ID_CHARS

ROOT = "fl/v1"
CHAIN_CHARS = 16


@dataclass(frozen=True, slots=True)
class Topics:
    """Topic builder for the chain whose id starts with `chain` (16 hex characters)."""

    chain: str

    @classmethod
    def of(cls, chain_id: bytes) -> Topics:
        """Topics of the chain with this 32-byte id."""
        return cls(chain_id.hex()[:CHAIN_CHARS])

    @property
    def base(self) -> str:
        """Everything below is of this chain."""
        return f"{ROOT}/{self.chain}"

    def up_head(self, device: str, root: str) -> str:
        """A device's signed update head and chunk hashes."""
        return f"{self.base}/up/{device}/head/{root}"

    def up_chunk(self, device: str, root: str, index: int | str) -> str:
        """One chunk of a device's update."""
        return f"{self.base}/up/{device}/chunk/{root}/{index}"

    def up_ask(self, device: str) -> str:
        """A device's questions and records."""
        return f"{self.base}/up/{device}/ask"

    def up_state(self, device: str) -> str:
        """Retained: ready, training, sleeping or lost (last will)."""
        return f"{self.base}/up/{device}/state"

    def down_say(self, device: str, validator: str) -> str:
        """A validator's answer to one device."""
        return f"{self.base}/down/{device}/{validator}/say"

    def down_chunk(self, device: str, validator: str, root: str, index: int | str) -> str:
        """One chunk of an object a device asked for."""
        return f"{self.base}/down/{device}/{validator}/chunk/{root}/{index}"

    def chain_head(self, validator: str) -> str:
        """Retained: the latest finalised head as this validator knows it."""
        return f"{self.base}/chain/head/{validator}"

    def snapshot(self, validator: str) -> str:
        """Retained: this validator's consensus snapshot."""
        return f"{self.base}/val/{validator}/snap"

    def validator_say(self, validator: str) -> str:
        """Consensus messages."""
        return f"{self.base}/val/{validator}/say"

    def validator_ask(self, validator: str) -> str:
        """A validator's questions to its peers."""
        return f"{self.base}/val/{validator}/ask"

    def validator_chunk(self, validator: str, root: str, index: int | str) -> str:
        """One chunk of an object for the validators."""
        return f"{self.base}/val/{validator}/chunk/{root}/{index}"

    def device_filters(self, device: str) -> tuple[str, ...]:
        """What a device hears beside the one chain head it follows."""
        return (f"{self.base}/down/{device}/+/say", *self.chunk_filters(device))

    def chunk_filters(self, device: str) -> tuple[str, ...]:
        """Of these the pieces a device has asked for: nobody need confirm them, it asks again [TOP-3]."""
        return (f"{self.base}/down/{device}/+/chunk/+/+",)

    def validator_filters(self) -> tuple[str, ...]:
        """What a validator hears: all devices and all validators, never through a shared subscription. In the
        order in which the server hands over what is retained, so that what devices leave there comes last."""
        return (
            f"{self.base}/val/+/snap",
            f"{self.base}/val/+/say",
            f"{self.base}/val/+/ask",
            f"{self.base}/val/+/chunk/+/+",
            f"{self.base}/up/+/ask",
            f"{self.base}/up/+/head/+",
            f"{self.base}/up/+/chunk/+/+",
        )

    def split(self, topic: str) -> list[str] | None:
        """The levels below this chain's root, or None for a topic of another chain."""
        prefix = self.base + "/"
        return topic[len(prefix) :].split("/") if topic.startswith(prefix) else None


def node_level(text: str) -> str:
    """A topic level that is a node id, in lower-case hex; raises `DecodeError` [TOP-4]."""
    if len(text) != NODE_ID_CHARS or text.strip("0123456789abcdef"):
        raise DecodeError(f"topic level '{text[:NODE_ID_CHARS]}' is not a node id")
    return text


def hash_level(text: str) -> bytes:
    """A topic level that is a root, in lower-case hex; raises `DecodeError` [TOP-4]."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != HASH_BYTES or text != data.hex():
        raise DecodeError(f"topic level '{text[:16]}' is not a hash")
    return data


def index_level(text: str) -> int:
    """A topic level that is a chunk number without leading zeros; raises `DecodeError` [TOP-4]."""
    if not text.isdecimal() or len(text) > 4 or text != str(int(text)) or int(text) >= CHUNKS_MAX:
        raise DecodeError(f"topic level '{text[:16]}' is not a chunk number")
    return int(text)
