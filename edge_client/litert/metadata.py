"""Reads one metadata entry of a .tflite file without the schema, which only the LiteRT wheel carries.

Walks the flatbuffer by hand: root table Model, field 4 = buffers, field 6 = metadata {name, buffer}.
"""

from __future__ import annotations

import mmap
import struct
from typing import TypeAlias

from edge_client.litert.ir import ModelError

# Both give bytes when sliced, so a mapped file is read only where it is looked at.
Bytes: TypeAlias = bytes | mmap.mmap

MANIFEST_KEY = "federated_manifest"
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0
_ENTRIES_MAX = 64


def read_metadata(data: Bytes, key: str, made_by: str = "trainable") -> bytes:
    """Content of the entry; raises `ModelError` when the file is damaged or has no such entry, with the
    command of `edge-client` that makes files with it."""
    if data[4:8] != b"TFL3":
        raise ModelError("not a .tflite file (no TFL3 mark at byte 4)")
    try:
        content = _find(data, key.encode("ascii"))
    except struct.error as error:
        raise ModelError(f"damaged .tflite file ({error})") from error
    if content is None:
        raise ModelError(f"no '{key}' in the file; `edge-client {made_by}` makes files with it")
    return content


def buffer_places(data: Bytes) -> list[tuple[int, int]]:
    """Start and size of the content of every buffer of the file that has some; raises `ModelError`."""
    try:
        start, count = _vector(data, _field(data, _pointer(data, 0), _MODEL_BUFFERS))
        tables = (_pointer(data, start + 4 * index) for index in range(min(count, len(data) // 4)))
        places = [_vector(data, _field(data, table, _BUFFER_DATA)) for table in tables]
    except struct.error as error:
        raise ModelError(f"damaged .tflite file ({error})") from error
    if any(start + size > len(data) for start, size in places):
        raise ModelError("damaged .tflite file (a buffer behind its end)")
    return [place for place in places if place[1]]


def _find(data: Bytes, key: bytes) -> bytes | None:
    model = _pointer(data, 0)
    entries = _vector(data, _field(data, model, _MODEL_METADATA))
    buffers, buffer_count = _vector(data, _field(data, model, _MODEL_BUFFERS))
    for i in range(min(entries[1], _ENTRIES_MAX)):
        entry = _pointer(data, entries[0] + 4 * i)
        if _content(data, _field(data, entry, _METADATA_NAME)) != key:
            continue
        at = _field(data, entry, _METADATA_BUFFER)
        index = _u32(data, at) if at else 0
        if index < buffer_count:
            return _content(data, _field(data, _pointer(data, buffers + 4 * index), _BUFFER_DATA))
    return None


def _u32(data: Bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0]) if at >= 0 else _outside(at)


def _outside(at: int) -> int:
    raise struct.error(f"offset {at}")


def _pointer(data: Bytes, at: int) -> int:
    return at + _u32(data, at)


def _field(data: Bytes, table: int, number: int) -> int:
    """Position of a table's field, 0 when it is absent."""
    vtable = table - int(struct.unpack_from("<i", data, table)[0])
    slot = 4 + 2 * number
    if vtable < 0 or slot >= struct.unpack_from("<H", data, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", data, vtable + slot)[0])
    return table + offset if offset else 0


def _vector(data: Bytes, field: int) -> tuple[int, int]:
    """Position of the first element and number of elements of the vector a field points to."""
    if not field:
        return 0, 0
    start = _pointer(data, field)
    return start + 4, _u32(data, start)


def _content(data: Bytes, field: int) -> bytes | None:
    start, size = _vector(data, field)
    if not start or start + size > len(data):
        return None
    return data[start : start + size]
