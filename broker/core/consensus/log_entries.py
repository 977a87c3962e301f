"""The log of a validator: what it signed and which certificates it held, as bytes with a checksum each.

An entry is tag u8, length u32, that many bytes, CRC-32 u32 of all before. Appending is the only write, and
nothing is published before its entry is synced; so a crash can only damage entries that nobody has seen.
A damaged entry before a good one was synced once: votes may be lost, and signing again could convict us.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from edge_client.protocol.encoding import blob, uint
from edge_client.protocol.errors import DecodeError
from edge_client.protocol.votes import Certificate, Proposal, Vote

Entry = Vote | Proposal | Certificate
"""What a log holds."""

_TAGS: dict[int, type[Vote | Proposal | Certificate]] = {1: Vote, 2: Proposal, 3: Certificate}
_TAG_OF = {kind: tag for tag, kind in _TAGS.items()}
_HEAD_BYTES = 5
_CRC_BYTES = 4
_PAYLOAD_BYTES_MAX = 2048


def place_of(entry: Entry) -> tuple[int, int]:
    """Epoch and slot it belongs to: what is below the last FC's place can be forgotten."""
    match entry:
        case Vote():
            return entry.epoch, entry.slot
        case Proposal():
            return entry.header.epoch, entry.slot
        case Certificate():
            return entry.subject.epoch, entry.subject.slot


class LogDamagedError(Exception):
    """An entry that was synced is damaged; this validator must not sign from this log."""


def encode_entry(entry: Entry) -> bytes:
    """One entry; the very bytes that are published again after a restart are inside."""
    body = uint(_TAG_OF[type(entry)], 1) + blob(entry.encode(), 4)
    return body + uint(crc32(body), _CRC_BYTES)


def decode_log(data: bytes) -> tuple[list[Entry], int]:
    """Entries, and how many bytes of `data` they take: cut the file there before appending.

    Raises `LogDamagedError` when a good entry follows a damaged one, or one is whole but means nothing to us.
    """
    entries: list[Entry] = []
    at = 0
    for entry, end in _entries(data):
        entries.append(entry)
        at = end
    for later in range(at + 1, len(data)):
        if _entry_at(data, later) is not None:
            raise LogDamagedError(f"entry at byte {at} is damaged, the one at byte {later} is not")
    return entries, at


def _entries(data: bytes) -> Iterator[tuple[Entry, int]]:
    found = _entry_at(data, 0)
    while found is not None:
        yield found
        found = _entry_at(data, found[1])


def _entry_at(data: bytes, at: int) -> tuple[Entry, int] | None:
    """The entry that starts at `at` and where it ends; None when there is no whole, undamaged one."""
    kind = _TAGS.get(data[at]) if at < len(data) else None
    length = int.from_bytes(data[at + 1 : at + _HEAD_BYTES], "big")
    end = at + _HEAD_BYTES + length
    if kind is None or length > _PAYLOAD_BYTES_MAX or end + _CRC_BYTES > len(data):
        return None
    if crc32(data[at:end]) != int.from_bytes(data[end : end + _CRC_BYTES], "big"):
        return None
    try:
        return kind.decode(data[at + _HEAD_BYTES : end]), end + _CRC_BYTES
    except DecodeError as wrong:
        raise LogDamagedError(f"entry at byte {at}: {wrong.detail}") from wrong
