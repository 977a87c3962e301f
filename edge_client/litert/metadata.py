"""Reads one metadata entry of a .tflite file without the schema, which only the LiteRT wheel carries.

Walks the flatbuffer by hand: root table Model, field 4 = buffers, field 6 = metadata {name, buffer}.
"""

from __future__ import annotations

import struct

from edge_client.litert.ir import ModelError

MANIFEST_KEY = "federated_manifest"
_MODEL_BUFFERS, _MODEL_METADATA = 4, 6
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_BUFFER_DATA = 0
_ENTRIES_MAX = 64


def read_metadata(data: bytes | memoryview, key: str) -> bytes:
    """Content of the entry; raises `ModelError` when the file is no .tflite, is damaged or has no such entry."""
    view = memoryview(data)
    if bytes(view[4:8]) != b"TFL3":
        raise ModelError("not a .tflite file (no TFL3 mark at byte 4)")
    try:
        content = _find(view, key.encode("ascii"))
    except struct.error as error:
        raise ModelError(f"damaged .tflite file ({error})") from error
    if content is None:
        raise ModelError(f"no '{key}' in the file: make a training graph with `edge-client trainable` first")
    return content


def _find(view: memoryview, key: bytes) -> bytes | None:
    model = _pointer(view, 0)
    entries = _vector(view, _field(view, model, _MODEL_METADATA))
    buffers, buffer_count = _vector(view, _field(view, model, _MODEL_BUFFERS))
    for i in range(min(entries[1], _ENTRIES_MAX)):
        entry = _pointer(view, entries[0] + 4 * i)
        if _content(view, _field(view, entry, _METADATA_NAME)) != key:
            continue
        at = _field(view, entry, _METADATA_BUFFER)
        index = _u32(view, at) if at else 0
        if index < buffer_count:
            return _content(view, _field(view, _pointer(view, buffers + 4 * index), _BUFFER_DATA))
    return None


def _u32(view: memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", view, at)[0]) if at >= 0 else _outside(at)


def _outside(at: int) -> int:
    raise struct.error(f"offset {at}")


def _pointer(view: memoryview, at: int) -> int:
    return at + _u32(view, at)


def _field(view: memoryview, table: int, number: int) -> int:
    """Position of a table's field, 0 when it is absent."""
    vtable = table - int(struct.unpack_from("<i", view, table)[0])
    slot = 4 + 2 * number
    if vtable < 0 or slot >= struct.unpack_from("<H", view, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", view, vtable + slot)[0])
    return table + offset if offset else 0


def _vector(view: memoryview, field: int) -> tuple[int, int]:
    """Position of the first element and number of elements of the vector a field points to."""
    if not field:
        return 0, 0
    start = _pointer(view, field)
    return start + 4, _u32(view, start)


def _content(view: memoryview, field: int) -> bytes | None:
    start, size = _vector(view, field)
    if not start or start + size > len(view):
        return None
    return bytes(view[start : start + size])
