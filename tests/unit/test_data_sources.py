"""Each kind of source, and what becomes of data that do not fit the chain's model."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_client.adapters.data import npz_file, rows
from edge_client.adapters.data.own_data import DataOptions, Loaded, OwnData
from edge_client.adapters.data.parse import parse_source
from edge_client.adapters.data.python_call import PythonCall
from edge_client.adapters.data.source import EXAMPLES_MAX, REASONS_MAX, DataError, Rejects, Request
from edge_client.protocol.manifest import Loss, Manifest
from tests.builders import TINY_MANIFEST

X, Y = np.zeros((4, 3), np.uint8), np.array([0, 1, 0, 1])
NOW_MS = 100 * 86_400_000
SQUARES = replace(TINY_MANIFEST, input_dims=(2, 2, 1))
TEN_CLASSES = replace(TINY_MANIFEST, outputs=10)


def read(
    text: str, folder: Path, manifest: Manifest = TINY_MANIFEST, columns: Any = None, **options: Any
) -> Loaded:
    source = parse_source(text, folder, **(columns or {}))
    return OwnData(source, DataOptions(**options)).load(manifest, NOW_MS)


def load(folder: Path, manifest: Manifest = TINY_MANIFEST, **arrays: Any) -> Loaded:
    np.savez(folder / "data.npz", **arrays)
    return read("npz:data.npz", folder, manifest)


def everything(loaded: Loaded) -> list[tuple[list[float], int]]:
    """Samples with their labels, sorted."""
    parts = [one for one in (loaded.train, loaded.hold_out) if one is not None]
    return sorted((one.x[row].ravel().tolist(), int(one.y[row])) for one in parts for row in one.indices)


class TestNpz:
    def test_bytes_stay_bytes(self, tmp_path: Path) -> None:
        data = load(tmp_path, x=X, y=Y).train
        assert data.x.dtype == np.uint8
        assert data.y.dtype == np.int32
        assert len(data) == 4

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_floats_become_float32(self, tmp_path: Path, dtype: type) -> None:
        assert load(tmp_path, x=X.astype(dtype), y=Y).train.x.dtype == np.float32

    def test_targets_of_other_losses(self, tmp_path: Path) -> None:
        manifest = replace(TINY_MANIFEST, loss=Loss.MSE)
        assert load(tmp_path, manifest, x=X, y=np.ones((4, 2))).train.y.dtype == np.float32
        with pytest.raises(DataError, match=r"labels .* have shape \(4,\), not \(4, 2\)"):
            load(tmp_path, manifest, x=X, y=Y)
        with pytest.raises(DataError, match="not finite"):
            load(tmp_path, manifest, x=X, y=np.full((4, 2), np.nan))

    @pytest.mark.parametrize(
        ("x", "y", "sentence"),
        [
            (X[:, :2], Y, r"samples .* have shape \(2,\), the model takes \(3,\)"),
            (np.zeros(3, np.uint8), Y, r"have shape \(\), the model takes \(3,\)"),
            (np.uint8(1), Y, r"the model takes \(3,\)"),
            (X.astype(np.int64), Y, "'x' .* is int64; convert it"),
            (X[:0], Y[:0], "holds no samples"),
            (np.full((4, 3), np.nan, np.float32), Y, "4 of 4 samples .* not finite"),
            (X, Y[:3], r"4 samples, but labels of shape \(3,\)"),
            (X, np.int64(1), r"labels of shape \(\)"),
            (X, Y.astype(np.float32), "float32"),
            (X, np.eye(4, 2), "class numbers"),
            (X, Y + 1, "go from 1 to 2, the model's from 0 to 1; count classes from 0"),
            (X, Y - 1, "go from -1 to 0"),
        ],
    )
    def test_each_mismatch_gets_one_sentence(self, tmp_path: Path, x, y, sentence: str) -> None:
        with pytest.raises(DataError, match=sentence) as error:
            load(tmp_path, x=x, y=y)
        assert "\n" not in str(error.value)
        assert str(tmp_path / "data.npz") in str(error.value)

    def test_values_that_were_normalised_already(self, tmp_path: Path) -> None:
        scaled = replace(TINY_MANIFEST, input_scale_den=255)
        x = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
        with pytest.raises(DataError, match=r"go up to 1, and the model divides them by 255: give the raw"):
            load(tmp_path, scaled, x=x, y=Y)
        load(tmp_path, scaled, x=x * 255, y=Y)
        load(tmp_path, x=x, y=Y)

    def test_a_few_bad_samples_are_left_out_and_named(self, tmp_path: Path) -> None:
        x = np.arange(60, dtype=np.float32).reshape(20, 3)
        x[3, 1], x[7, 2] = np.nan, np.inf
        loaded = load(tmp_path, x=x, y=np.zeros(20, np.int64))
        assert len(everything(loaded)) == 18
        assert loaded.rejects.counts == {"a value is not finite": 2}
        assert loaded.rejects.examples["a value is not finite"] == ["sample 4", "sample 8"]

    def test_files_that_are_no_archives(self, tmp_path: Path) -> None:
        path = tmp_path / "data.npz"
        with pytest.raises(DataError, match="there is no data file"):
            read("npz:data.npz", tmp_path)
        for content in (b"", b"rubbish", b"PK\x03\x04rubbish"):
            path.write_bytes(content)
            with pytest.raises(DataError, match="cannot read the data file"):
                read("npz:data.npz", tmp_path)
        with pytest.raises(DataError, match="lacks the array 'y'"):
            load(tmp_path, x=X)
        np.save(tmp_path / "one.npy", X)
        with pytest.raises(DataError):
            read("npz:one.npy", tmp_path)

    def test_pickles_are_never_run(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="cannot read"):
            load(tmp_path, x=np.array([{"a": 1}], dtype=object), y=Y)


class TestCsv:
    def text(self, folder: Path, text: str, **options: Any) -> Loaded:
        (folder / "d.csv").write_text(text)
        return read("csv:d.csv", folder, **options)

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_the_last_column_is_the_label(self, tmp_path: Path, delimiter: str) -> None:
        lines = "".join(delimiter.join(map(str, (n, n + 1, n + 2, n % 2))) + "\r\n" for n in range(5))
        loaded = self.text(tmp_path, lines)
        assert everything(loaded) == [([n, n + 1, n + 2], n % 2) for n in range(5)]
        assert loaded.train.x.dtype == np.uint8, "whole numbers below 256 stay bytes"

    def test_columns_by_name_and_labels_by_name(self, tmp_path: Path) -> None:
        text = "when,what,a,b,c\n8000000,yes,0.5,1,2\n8000001,no,3,4,6\n"
        columns = {"label_column": "what", "time_column": "when"}
        loaded = self.text(tmp_path, text, columns=columns, classes=("no", "yes"))
        assert everything(loaded) == [([0.5, 1, 2], 1), ([3, 4, 6], 0)]
        loaded = self.text(tmp_path, text, columns=columns, classes=("no", "yes"), keep_samples=1)
        assert everything(loaded) == [([3, 4, 6], 0)]

    def test_values_as_labels(self, tmp_path: Path) -> None:
        loaded = self.text(tmp_path, "1,2,3,0.5,0.25\n", manifest=replace(TINY_MANIFEST, loss=Loss.MSE))
        assert loaded.train.y.tolist() == [[0.5, 0.25]]

    def test_bad_lines_are_left_out_with_their_numbers(self, tmp_path: Path) -> None:
        good = "".join(f"{n},{n},{n},1\n" for n in range(8))
        bad = "1,2,1\nx,2,3,1\n1,2,3,cat\n1,2,nan,0\n\n1,2,3,1"
        loaded = self.text(tmp_path, "a,b,c,d\n" + good + bad)
        assert len(everything(loaded)) == 8
        assert sorted(loaded.rejects.examples.items()) == [
            ("a cell is not a number", ["line 11"]),
            ("a line does not have 4 columns", ["line 10"]),
            ("a line without an end, as if it were still being written", ["line 15"]),
            ("a value is not finite", ["sample 9"]),
            ("the label is neither a class number nor a name in data.classes", ["line 12"]),
        ]

    @pytest.mark.parametrize(
        ("text", "options", "sentence"),
        [
            ("1,2,3,4,1\n", {}, r"a sample has shape \(4,\), the model takes \(3,\) \(line 1\)"),
            ("", {}, "holds no usable samples"),
            ("1,2,3,1\n", {"columns": {"label_column": "y"}}, "has no header line, so it has no column 'y'"),
            ("a,b,c,d\n", {"columns": {"label_column": "y"}}, "its columns are a, b, c, d"),
            ("1,2,3,1\nx,1,1,1\nx,1,1,1\n", {}, "2 of 3 samples .* a cell is not a number"),
            ("1,2,3,5\n", {}, "go from 5 to 5"),
            ("1,2,3,1\n", {"keep_days": 1}, "has no times"),
            ("1,2,3,1\n", {"classes": ("a",)}, "data.classes names 1 classes, the chain's model has 2"),
        ],
    )
    def test_each_mismatch_gets_one_sentence(
        self, tmp_path: Path, text: str, options: dict[str, Any], sentence: str
    ) -> None:
        with pytest.raises(DataError, match=sentence):
            self.text(tmp_path, text, **options)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no data file"):
            read("csv:none.csv", tmp_path)
        (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DataError, match="cannot read"):
            read("csv:d.csv", tmp_path)


class TestFolder:
    def pgm(self, path: Path, value: int, side: int = 2) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"P5 # made by a test\n%d %d 255\n" % (side, side) + bytes([value] * side * side))

    def test_a_class_for_each_sub_folder(self, tmp_path: Path) -> None:
        self.pgm(tmp_path / "d" / "0" / "a.pgm", 7)
        (tmp_path / "d" / "1").mkdir()
        np.save(tmp_path / "d" / "1" / "b.npy", np.full((2, 2), 9, np.uint8))
        loaded = read("folder:d", tmp_path, SQUARES)
        assert everything(loaded) == [([7] * 4, 0), ([9] * 4, 1)]
        assert loaded.train.x.dtype == np.uint8

    def test_names_of_classes(self, tmp_path: Path) -> None:
        for name, value in (("cat", 1), ("dog", 2)):
            self.pgm(tmp_path / "d" / name / "a.pgm", value)
        assert [label for _, label in everything(read("folder:d", tmp_path, SQUARES))] == [0, 1]
        loaded = read("folder:d", tmp_path, SQUARES, classes=("dog", "cat"))
        assert [label for _, label in everything(loaded)] == [1, 0]
        with pytest.raises(DataError, match=r"sub-folder 'cat' .* names no class: name it 0 to 9"):
            read("folder:d", tmp_path, replace(SQUARES, outputs=10))

    def test_colours(self, tmp_path: Path) -> None:
        (tmp_path / "0").mkdir()
        (tmp_path / "0" / "a.ppm").write_bytes(b"P6 2 1 255\n" + bytes(range(6)))
        loaded = read("folder:.", tmp_path, replace(TINY_MANIFEST, input_dims=(1, 2, 3)))
        assert everything(loaded) == [([0, 1, 2, 3, 4, 5], 0)]

    def test_png_through_pillow(self, tmp_path: Path) -> None:
        image = pytest.importorskip("PIL.Image", reason="Pillow is not installed (pip install pillow)")
        (tmp_path / "0").mkdir()
        image.new("RGB", (2, 2), (6, 6, 6)).save(tmp_path / "0" / "a.png")
        assert everything(read("folder:.", tmp_path, SQUARES)) == [([6] * 4, 0)]

    def test_the_newest_files_count(self, tmp_path: Path) -> None:
        for age_days in range(6):
            path = tmp_path / "0" / f"{age_days}.pgm"
            self.pgm(path, age_days)
            os.utime(path, ns=(0, (NOW_MS - age_days * 86_400_000) * 1_000_000))
        assert len(everything(read("folder:.", tmp_path, SQUARES, keep_days=2))) == 3
        assert [x[0] for x, _ in everything(read("folder:.", tmp_path, SQUARES, keep_samples=2))] == [0, 1]

    def test_bad_files_are_left_out_with_their_names(self, tmp_path: Path) -> None:
        folder = tmp_path / "0"
        for value in range(9):
            self.pgm(folder / f"{value}.pgm", value)
        self.pgm(folder / "big.pgm", 1, side=3)
        (folder / "cut.pgm").write_bytes(b"P5 2 2 255\n..")
        (folder / "text.pgm").write_text("P2 1 1 255\n0")
        (folder / "n.npy").write_bytes(b"no array")
        (folder / "notes.txt").write_text("hello")
        (folder / ".hidden").write_text("hello")
        rejects = read("folder:.", tmp_path, SQUARES).rejects
        assert rejects.examples == {
            "a sample has shape (3, 3), the model takes (2, 2, 1)": [str(folder / "big.pgm")],
            "a .pgm or .ppm file is cut off": [str(folder / "cut.pgm")],
            "a .pgm or .ppm file is not a binary one (P5, P6) of 8 bits": [str(folder / "text.pgm")],
            "a .npy file cannot be read": [str(folder / "n.npy")],
            "'.txt' files are not read; .npy, .pgm, .ppm, .png and .jpg are": [str(folder / "notes.txt")],
        }

    def test_folders_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no data folder"):
            read("folder:none", tmp_path, SQUARES)
        with pytest.raises(DataError, match="has no sub-folders"):
            read("folder:.", tmp_path, SQUARES)
        (tmp_path / "0").mkdir()
        with pytest.raises(DataError, match="holds no usable samples"):
            read("folder:.", tmp_path, SQUARES)
        with pytest.raises(DataError, match="learns values"):
            read("folder:.", tmp_path, replace(SQUARES, loss=Loss.MSE))


class TestPython:
    def call(self, folder: Path, body: str, **options: Any) -> Loaded:
        (folder / "own.py").write_text(f"import numpy as np\n\ndef samples():\n{body}\n")
        return read("python:own.py:samples", folder, **options)

    def test_arrays(self, tmp_path: Path) -> None:
        loaded = self.call(tmp_path, "    return np.ones((2, 3), np.uint8), np.array([0, 1])")
        assert everything(loaded) == [([1, 1, 1], 0), ([1, 1, 1], 1)]

    def test_single_samples_within_the_window(self, tmp_path: Path) -> None:
        body = f"    for n in range(100):\n        yield [n] * 3, 1, {NOW_MS // 1000} - (99 - n) * 86400"
        assert [x[0] for x, _ in everything(self.call(tmp_path, body, keep_samples=5))] == [
            95,
            96,
            97,
            98,
            99,
        ]
        assert [x[0] for x, _ in everything(self.call(tmp_path, body, keep_days=2))] == [97, 98, 99]

    def test_a_module_that_is_installed(self) -> None:
        loaded = read("python:tests.unit.test_data_sources:own_samples", Path())
        assert everything(loaded) == [([1, 2, 3], 1)]

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ("    raise OSError('no sensor')", "failed with OSError: no sensor; the traceback is in the log"),
            ("    raise SystemExit(7)", "SystemExit: 7"),
            ("    return 7", "TypeError"),
            ("    yield [1, 2, 3]", "gave list, not"),
            ("    yield [1, 2], 0", r"shape \(2,\)"),
            ("    yield ['a', 'b', 'c'], 0", "a sample is <U1, not numbers"),
            ("    return np.ones((2, 3)), np.array(['a', 'b'])", "class numbers"),
        ],
    )
    def test_mistakes_of_the_owner(
        self, tmp_path: Path, body: str, sentence: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING), pytest.raises(DataError, match=sentence) as error:
            self.call(tmp_path, body)
        assert "\n" not in str(error.value)
        assert bool(caplog.records) == ("traceback" in str(error.value))
        assert all(record.exc_info for record in caplog.records)

    @pytest.mark.parametrize("text", ["python:no.such.module:f", "python:own.py:other", "python:none.py:f"])
    def test_code_that_is_not_there(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "own.py").touch()
        with pytest.raises(DataError, match="failed with"):
            read(text, tmp_path)

    def test_code_that_does_not_come_back(self, tmp_path: Path) -> None:
        """It is not called a second time while the first call hangs; later it may answer again."""
        body = "import threading\nfree = threading.Event()\ncalls = []\n"
        (tmp_path / "hanging.py").write_text(
            body + "def samples():\n    calls.append(1)\n    free.wait()\n    return [], []\n"
        )
        sys.path.insert(0, str(tmp_path))
        try:
            module = import_module("hanging")
        finally:
            sys.path.remove(str(tmp_path))
        source = PythonCall("hanging", "samples", seconds_max=0.02)
        request = Request(TINY_MANIFEST)
        for _ in range(2):
            with pytest.raises(DataError, match=r"python:hanging:samples does not come back: .* 0\.02 s"):
                source.read(request)
        assert len(module.calls) == 1
        module.free.set()
        patient = replace(source, seconds_max=10.0)
        assert len(patient.read(request).x) == 0


class TestLimits:
    """A source that grows for years, or never ends, stops at a limit that says what to do."""

    BODY = "    for n in range(1000):\n        yield [n % 200, n // 200, 7], 1"

    def read(self, folder: Path, **options: Any) -> Loaded:
        (folder / "own.py").write_text(f"def samples():\n{self.BODY}\n")
        return read("python:own.py:samples", folder, **options)

    def test_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "DATA_BYTES_MAX", 3 * 51)
        with pytest.raises(DataError, match=r"take more than 0 MiB; set data\.keep_samples"):
            self.read(tmp_path)
        assert len(everything(self.read(tmp_path, keep_samples=50))) == 50

    def test_samples(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rows, "SAMPLES_MAX", 999)
        with pytest.raises(DataError, match="gives more than 999 samples"):
            self.read(tmp_path, keep_samples=50)

    def test_an_archive_that_is_too_large_is_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(npz_file, "DATA_BYTES_MAX", 100)
        with pytest.raises(DataError, match="holds more than"):
            load(tmp_path, x=X, y=Y)

    def test_reasons_of_rejects(self) -> None:
        rejects = Rejects()
        for number in range(2 * REASONS_MAX):
            rejects.add(f"reason {number}", f"line {number}")
        assert len(rejects.counts) == REASONS_MAX + 1
        assert rejects.counts["other reasons"] == REASONS_MAX
        assert all(len(shown) <= EXAMPLES_MAX for shown in rejects.examples.values())


def own_samples() -> Iterator[tuple[list[int], int]]:
    """What `test_a_module_that_is_installed` finds."""
    yield [1, 2, 3], 1


def test_sources_by_their_text(tmp_path: Path) -> None:
    for text in ("npz:/a/b.npz", "csv:/a/b.csv", "folder:/a/b", "python:a.b:c", "python:/a/b.py:c"):
        assert parse_source(text, tmp_path).text == text
    assert parse_source("npz:a.npz", tmp_path).text == f"npz:{tmp_path}/a.npz"
    assert parse_source("python:a.py:c", tmp_path).text == f"python:{tmp_path}/a.py:c"
    for text in ("", "npz:", "cvs:a", "/data/b.npz", "python:a", "python:a:", "python:a:b c"):
        with pytest.raises(ValueError, match="npz:PATH"):
            parse_source(text, tmp_path)


def test_a_window_needs_times(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    with pytest.raises(DataError, match="has no times"):
        read("npz:data.npz", tmp_path, keep_days=1)
    old, new = NOW_MS / 1000 - 2 * 86_400, NOW_MS / 1000
    x = np.arange(12, dtype=np.uint8).reshape(4, 3)
    np.savez(tmp_path / "data.npz", x=x, y=Y, t=np.array([new, old, new - 1, old]))
    assert [x[0] for x, _ in everything(read("npz:data.npz", tmp_path, keep_days=1))] == [0, 6]
    assert [x[0] for x, _ in everything(read("npz:data.npz", tmp_path, keep_samples=1))] == [0]
    np.savez(tmp_path / "data.npz", x=x, y=Y, t=np.array([old] * 4))
    with pytest.raises(DataError, match=r"no samples within the window of data\.keep_days"):
        read("npz:data.npz", tmp_path, keep_days=1)
    np.savez(tmp_path / "data.npz", x=x, y=Y, t=np.arange(3))
    with pytest.raises(DataError, match="'t' in"):
        read("npz:data.npz", tmp_path, keep_days=1)
