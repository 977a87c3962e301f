"""Small files that are replaced whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_client.runtime.files import replace, show


@pytest.mark.parametrize("write", [replace, show])
def test_a_reader_finds_the_old_or_the_new_and_nothing_is_left_over(write, tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    write(path, b"one")
    with path.open("rb") as reader:
        write(path, b"another")
        assert reader.read() == b"one"
    assert path.read_bytes() == b"another"
    assert [one.name for one in tmp_path.iterdir()] == ["words.json"]
