"""What strace writes becomes operations; what is not understood is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.power.operations import ROOT, Mark, Operation, Rename, Sync, Truncate, Write, recording_of
from tests.power.tracing import TraceError, _Reader, _whole_lines

FOLDER, MARKS = Path("/f"), Path("/marks")


def shown(text: str) -> str:
    return '"' + "".join(f"\\x{one:02x}" for one in text.encode()) + '"'


def read(*lines: str) -> list[Operation]:
    recording, nodes = recording_of({"old": b"1234"})
    reader = _Reader(FOLDER, MARKS, recording, nodes)
    for line in lines:
        reader.read(f"77 {line}")
    return recording.operations


def opened(path: str, flags: str, number: int = 3) -> str:
    return f"openat(AT_FDCWD<{shown('/')}>, {shown(path)}, {flags}, 0644) = {number}<{shown(path)}>"


def test_a_new_file_is_written_synced_and_renamed() -> None:
    operations = read(
        opened("/f/a.new", "O_WRONLY|O_CREAT|O_EXCL"),
        f"write(3<{shown('/f/a.new')}>, {shown('ab')}, 2) = 2",
        f"write(3<{shown('/f/a.new')}>, {shown('cde')}, 3) = 1",
        "fsync(3) = 0",
        "close(3) = 0",
        f"rename({shown('/f/a.new')}, {shown('/f/a')}) = 0",
        opened("/f", "O_RDONLY|O_DIRECTORY"),
        "fsync(3) = 0",
    )
    assert operations == [
        Rename(ROOT, (("a.new", 2),)),
        Write(2, 0, b"ab"),
        Write(2, 2, b"c"),
        Sync(2),
        Rename(ROOT, (("a.new", None), ("a", 2))),
        Sync(ROOT),
    ]


def test_a_database_is_written_at_offsets() -> None:
    operations = read(
        opened("/f/old", "O_RDWR|O_CREAT"),
        f"pwrite64(3, {shown('x')}, 1, 8) = 1",
        "ftruncate(3, 2) = 0",
        "fdatasync(3) = 0",
        f"unlink({shown('/f/old')}) = 0",
    )
    assert operations == [Write(1, 8, b"x"), Truncate(1, 2), Sync(1), Rename(ROOT, (("old", None),))]


def test_what_failed_and_what_is_elsewhere_is_left_out() -> None:
    operations = read(
        f"unlink({shown('/f/none')}) = -1 ENOENT (No such file or directory)",
        opened("/other", "O_WRONLY|O_CREAT"),
        f"write(3, {shown('x')}, 1) = 1",
        f"unlink({shown('/fold/a')}) = 0",
        f"mkdir({shown('/f/a-shm')}, 0777) = 0",
    )
    assert operations == []


def test_a_mark_is_a_line() -> None:
    lines = [f"write(4, {shown(text)}, 9) = {len(text)}" for text in ("on", "e\ntw", "o\n")]
    assert read(opened("/marks", "O_WRONLY", 4), *lines) == [Mark("one"), Mark("two")]


def test_truncation_by_opening() -> None:
    assert read(opened("/f/old", "O_WRONLY|O_CREAT|O_TRUNC")) == [Truncate(1, 0)]


@pytest.mark.parametrize(
    "line",
    [
        "fallocate(3, 0, 0, 100) = 0",
        f"write(3, {shown('x')}..., 1) = 1",
        f"truncate({shown('/f/old')}, 1) = 0",
        f"rename({shown('/f/old')}, {shown('/elsewhere')}) = 0",
        f"unlinkat(5<{shown('/f')[1:-1]}>, {shown('old')}, 0) = 0",
    ],
)
def test_what_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(TraceError):
        read(opened("/f/old", "O_WRONLY"), line)


def test_a_call_that_was_interrupted_stands_where_it_ended(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("1  fsync(3 <unfinished ...>\n2  close(4) = 0\n1  <... fsync resumed>) = 0\n")
    assert list(_whole_lines(trace)) == ["2  close(4) = 0\n", "1 fsync(3) = 0"]
