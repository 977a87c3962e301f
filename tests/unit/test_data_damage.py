"""Data files that a power cut or a worn-out card spoiled, and what is no file at all: one sentence or a
counted sample, never an error of another kind, which would end the agent at each of its rounds."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from edge_client.adapters.data.own_data import DataOptions, Loaded, OwnData
from edge_client.adapters.data.parse import parse_source
from edge_client.adapters.data.rows import Rows
from edge_client.adapters.data.samples import Beside, read_samples
from edge_client.adapters.data.source import DataError, DataUnreadyError, Request, Window
from edge_client.protocol.manifest import Manifest
from tests.builders import TINY_MANIFEST

X, Y = np.arange(60, dtype=np.uint8).reshape(20, 3), np.zeros(20, np.int64)
HUGE = "(100000000000000,)"


def read(text: str, folder: Path, manifest: Manifest = TINY_MANIFEST) -> Loaded:
    return OwnData(parse_source(text, folder)).load(manifest, 0)


def header(shape: str) -> bytes:
    """Of an array file; nothing says that as many values follow."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("x", [header(HUGE), header("(((("), header("'''"), b"\x93NUMPY\x09\x00"])
def test_headers_that_are_none(tmp_path: Path, x: bytes) -> None:
    with ZipFile(tmp_path / "d.npz", "w") as made:
        made.writestr("x.npy", x)
        made.writestr("y.npy", header("(1,)") + b"\x00")
    with pytest.raises(DataError, match="cannot read"):
        read("npz:d.npz", tmp_path)


def test_an_archive_with_changed_bytes(tmp_path: Path) -> None:
    """It is read as it was, or there is a sentence."""
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=X, y=Y)
    whole = path.read_bytes()
    source = parse_source("npz:d.npz", tmp_path)
    sentences = set()
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            source.read(Request(TINY_MANIFEST))
            list(read_samples(path, (3,), Beside()))
        except DataError as error:
            sentences.add(str(error))
    assert len(sentences) > 3
    assert any("decompressing" in one for one in sentences)


def test_lines_that_are_spoiled_leave_the_others_of_a_table(tmp_path: Path) -> None:
    lines = [f"{n},{n},{n},0\n".encode() for n in range(9)]
    spoiled = [b"\0\0\0\0\n", b"1,2\xff,3,0\n", b'1,"' + b"x" * 200_000 + b"\n"]
    (tmp_path / "d.csv").write_bytes(b"".join(lines + spoiled))
    loaded = read("csv:d.csv", tmp_path)
    assert len(loaded.train) + loaded.hold_out_count == 9
    assert loaded.rejects.counts == {"a line does not have 4 columns": 2, "a cell is not a number": 1}


def test_a_time_that_is_none_spoils_its_sample_only() -> None:
    rows = Rows("d", Request(TINY_MANIFEST, window=Window(since_s=5.0)))
    for number, time_s in enumerate((float("nan"), float("inf"), 7.0)):
        rows.add(f"line {number}", np.zeros(3), np.array(0), time_s)
    assert rows.rejects.counts == {"a time is no finite number of seconds": 2}
    assert len(rows.finish(timed=True).x) == 1


def test_files_of_a_folder_that_hold_other_things(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    folder.mkdir()
    for number in range(9):
        np.save(folder / f"{number}.npy", X[number])
    np.save(folder / "text.npy", np.array(["a", "b", "c"]))
    (folder / "bomb.npy").write_bytes(header(HUGE))
    (folder / "cut.npy").write_bytes(header("(((("))
    np.savez(tmp_path / "archive.npz", x=X)
    (tmp_path / "archive.npz").rename(folder / "archive.npy")
    rejects = read("folder:.", tmp_path).rejects
    assert rejects.counts == {"a .npy file cannot be read": 3, "a sample is <U1, not numbers": 1}


def test_pictures_that_are_none(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (pip install pillow)")
    folder = tmp_path / "0"
    folder.mkdir()
    for number in range(9):
        image.new("L", (3, 1), number).save(folder / f"{number}.png")
    whole = (folder / "0.png").read_bytes()
    (folder / "text.png").write_bytes(whole.replace(b"IDAT", b"76.o"))
    claims = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + whole[24:29]
    check = zlib.crc32(claims).to_bytes(4, "big")
    (folder / "claim.png").write_bytes(whole[:12] + claims + check + whole[33:])
    rejects = read("folder:.", tmp_path, replace(TINY_MANIFEST, input_dims=(1, 3, 1))).rejects
    assert rejects.counts == {"a .png file cannot be read": 1, "a picture has more than 16777216 pixels": 1}


@pytest.mark.parametrize("text", ["npz:d", "csv:d"])
def test_what_is_no_file(tmp_path: Path, text: str) -> None:
    os.mkfifo(tmp_path / "d")
    with pytest.raises(DataError, match="is a pipe or a device, not a file; record into a file"):
        read(text, tmp_path)
    (tmp_path / "d").unlink()
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="is a folder, not a file; samples in folders by class are folder:"):
        read(text, tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "d").touch()
    with pytest.raises(DataError, match="is no folder; a single file is npz: or csv:"):
        read("folder:d", tmp_path)


@pytest.mark.parametrize(
    "text", ["npz:cut.npz", "csv:header.csv", "folder:none", "python:own.py:busy", "npz:old.npz"]
)
def test_what_time_may_mend_is_told_from_what_the_owner_must(tmp_path: Path, text: str) -> None:
    """A start waits for the one and ends at the other."""
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "header.csv").write_text("a,b,c,label\n")
    (tmp_path / "none").mkdir()
    (tmp_path / "own.py").write_text("def busy():\n    raise OSError('no sensor')\n")
    np.savez(tmp_path / "old.npz", x=X, y=Y, t=np.zeros(len(X)))
    own = OwnData(parse_source(text, tmp_path), DataOptions(keep_days=1 if "old" in text else None))
    with pytest.raises(DataUnreadyError):
        own.load(TINY_MANIFEST, 10 * 86_400_000)


@pytest.mark.parametrize(
    "text", ["npz:shape.npz", "csv:words.csv", "python:own.py:no", "python:none.py:f", "npz:."]
)
def test_what_only_the_owner_can_mend(tmp_path: Path, text: str) -> None:
    np.savez(tmp_path / "shape.npz", x=X[:, :2], y=Y)
    (tmp_path / "words.csv").write_text("a,b,c,label\none,two,three,0\n")
    (tmp_path / "own.py").touch()
    with pytest.raises(DataError) as caught:
        read(text, tmp_path)
    assert not isinstance(caught.value, DataUnreadyError)
