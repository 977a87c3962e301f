from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.runtime.objects import ObjectStore, ObjectTooLargeError

A, B = bytes([1]) * 32, bytes([2]) * 32


def test_put_get_delete(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects", 100)
    assert store.get(A) is None
    store.put(A, b"one")
    store.put(B, b"three")
    store.put(A, b"one")
    assert (store.get(A), store.get(B)) == (b"one", b"three")
    assert store.roots() == [A, B]
    store.delete(A)
    store.delete(A)
    assert store.get(A) is None
    assert ObjectStore(tmp_path / "objects", 100).roots() == [B]


def test_too_large(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path, 10)
    store.put(A, bytes(10))
    with pytest.raises(ObjectTooLargeError):
        store.put(B, bytes(11))
    assert store.roots() == [A]


def test_half_written_files_are_swept_and_never_seen(tmp_path: Path) -> None:
    (tmp_path / f"{A.hex()}.77.new").write_bytes(b"half")
    store = ObjectStore(tmp_path, 10)
    assert store.get(A) is None
    assert store.roots() == []
    store.remove_leftovers()
    assert list(tmp_path.iterdir()) == []
