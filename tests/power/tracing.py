"""Runs a process under strace and reads what it did to one folder.

Only calls that change files are traced. A call on the folder that the reader does not know is an error, never
left out: else the recording would be of another disk.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.power.operations import (
    Mark,
    Recording,
    Rename,
    Sync,
    Truncate,
    Write,
    is_kept,
    read_image,
    recording_of,
)

MARKS_FILE = "marks"
"""Beside the recorded folder: what the process writes here is a `Mark`, a line each."""
BYTES_SHOWN_MAX = 1 << 26
RUN_S_MAX = 300
_CALLS = (  # with "?" for those that a processor lacks
    "?openat,?open,?creat,?close,?lseek,?dup,?dup2,?dup3,?write,?pwrite64,?writev,?pwritev,"
    "?pwritev2,?ftruncate,?truncate,?fallocate,?fsync,?fdatasync,?sync_file_range,?msync,"
    "?copy_file_range,?sendfile,?splice,?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir,"
    "?mkdir,?mkdirat,?symlink,?symlinkat,?link,?linkat"
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_SPLIT = re.compile(r"(\d+) +(?:(.*) <unfinished \.\.\.>|<\.\.\. \w+ resumed>(.*))$")
_ARGUMENT = re.compile(r'(?:"[^"]*"|[^",])+')


class TraceError(Exception):
    """The process cannot be recorded, or did what the reader does not know."""


def why_not() -> str | None:
    """Why nothing can be recorded on this machine; None when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    probe = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False)
    return "strace may not trace processes here (ptrace is forbidden)" if probe.returncode else None


def record(folder: Path, module: str, *arguments: str) -> Recording:
    """Run `python -m MODULE FOLDER MARKS ARGUMENTS...` and return what it did to `folder`, which is there."""
    recording, nodes = recording_of(read_image(folder))
    marks = folder.with_name(MARKS_FILE)
    marks.touch()
    with TemporaryDirectory(prefix="trace-") as place:
        trace = Path(place) / "trace"
        options = [
            "-f",
            "-qq",
            "-xx",
            "-y",
            "--signal=none",
            "-s",
            str(BYTES_SHOWN_MAX),
            "-e",
            f"trace={_CALLS}",
        ]
        program = [sys.executable, "-m", module, str(folder), str(marks), *arguments]
        ran = subprocess.run(
            ["strace", *options, "-o", str(trace), *program],
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_S_MAX,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        )
        if ran.returncode:
            raise TraceError(f"{module} ended with {ran.returncode}:\n{ran.stderr}")
        reader = _Reader(folder, marks, recording, nodes)
        for line in _whole_lines(trace):
            reader.read(line)
    return recording


def _whole_lines(trace: Path) -> Iterator[str]:
    """A call that another thread interrupted stands where it ended."""
    begun: dict[str, str] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            split = _SPLIT.match(line)
            if split is None:
                yield line
            elif split[2] is not None:
                begun[split[1]] = split[2]
            else:
                yield f"{split[1]} {begun.pop(split[1])}{split[3]}"


@dataclass(slots=True)
class _File:
    """An open file: its node (-1: the marks), where a plain write goes, and whether the reader knows that."""

    node: int
    offset: int
    is_plain: bool


class _Reader:
    """Turns calls into operations; knows which node each path and open file leads to."""

    def __init__(self, folder: Path, marks: Path, recording: Recording, nodes: dict[str, int]) -> None:
        self._folder = str(folder)
        self._folder_shown = "".join(f"\\x{one:02x}" for one in os.fsencode(folder))
        self._marks = str(marks)
        self._recording = recording
        self._nodes = nodes
        self._files: dict[int, _File] = {}
        self._sizes = {node: len(one) for node, one in recording.contents.items() if isinstance(one, bytes)}
        self._text = b""

    def read(self, line: str) -> None:
        """One line of the trace."""
        found = _LINE.match(line)
        if found is None or int(found[4]) < 0:
            return
        arguments, result = _ARGUMENT.findall(found[3]), int(found[4])
        arguments = [one.strip() for one in arguments]
        if found[2].endswith("at") and re.match(r"\d+<", arguments[0]) and self._folder_shown in arguments[0]:
            raise TraceError(f"a path relative to an open folder: {found[2]}({found[3][:200]})")
        call = getattr(self, f"_{found[2]}", None)
        if call is not None:
            call(arguments, result)
        elif self._is_ours(arguments):
            raise TraceError(f"a call the reader does not know: {found[2]}({found[3][:200]})")

    def _is_ours(self, arguments: list[str]) -> bool:
        return any(self._path(one) is not None for one in arguments) or _number(arguments[0]) in self._files

    # --- open files ---------------------------------------------------------------------------------------

    def _openat(self, arguments: list[str], result: int) -> None:
        self._files.pop(result, None)
        place, flags = _text(arguments[1]), arguments[2]
        if place == self._marks:
            self._files[result] = _File(-1, 0, is_plain=True)
        path = self._path(arguments[1])
        if path is None:
            return
        if "O_TMPFILE" in flags:
            raise TraceError(f"a file without a name in {path}")
        if path not in self._nodes:
            if "O_CREAT" not in flags:
                raise TraceError(f"{path} was opened and nobody made it")
            self._name(path, self._new(b""))
        node = self._nodes[path]
        if "O_TRUNC" in flags and self._sizes[node]:
            self._cut(node, 0)
        offset = self._sizes.get(node, 0) if "O_APPEND" in flags else 0
        self._files[result] = _File(node, offset, is_plain="O_WRONLY" in flags)

    def _close(self, arguments: list[str], _: int) -> None:
        self._files.pop(_number(arguments[0]), None)

    def _lseek(self, arguments: list[str], result: int) -> None:
        file = self._file(arguments)
        if file is not None:
            file.offset = result

    def _write(self, arguments: list[str], result: int) -> None:
        file = self._file(arguments)
        if file is None:
            return
        if not file.is_plain:
            raise TraceError("a write where reads may have moved to")
        data = _bytes(arguments[1])[:result]
        if file.node < 0:
            self._mark(data)
            return
        self._put(file.node, file.offset, data)
        file.offset += result

    def _pwrite64(self, arguments: list[str], result: int) -> None:
        file = self._file(arguments)
        if file is not None:
            self._put(file.node, int(arguments[3]), _bytes(arguments[1])[:result])

    def _ftruncate(self, arguments: list[str], _: int) -> None:
        file = self._file(arguments)
        if file is not None:
            self._cut(file.node, int(arguments[1]))

    def _fsync(self, arguments: list[str], _: int) -> None:
        file = self._file(arguments)
        if file is not None:
            self._recording.operations.append(Sync(file.node))

    _fdatasync = _fsync

    def _put(self, node: int, offset: int, data: bytes) -> None:
        self._sizes[node] = max(self._sizes[node], offset + len(data))
        self._recording.operations.append(Write(node, offset, data))

    def _cut(self, node: int, size: int) -> None:
        self._sizes[node] = size
        self._recording.operations.append(Truncate(node, size))

    def _mark(self, data: bytes) -> None:
        *lines, self._text = (self._text + data).split(b"\n")
        self._recording.operations += [Mark(line.decode()) for line in lines]

    def _file(self, arguments: list[str]) -> _File | None:
        return self._files.get(_number(arguments[0]))

    # --- names --------------------------------------------------------------------------------------------

    def _mkdir(self, arguments: list[str], _: int) -> None:
        self._made(arguments[0], lambda: None)

    def _symlink(self, arguments: list[str], _: int) -> None:
        self._made(arguments[1], lambda: _text(arguments[0]))

    def _link(self, arguments: list[str], _: int) -> None:
        old, new = self._path(arguments[0]), self._path(arguments[1])
        if new is not None:
            self._name(new, self._nodes[old or ""])

    def _unlink(self, arguments: list[str], _: int) -> None:
        path = self._path(arguments[0])
        if path is not None:
            self._change(path, ((path, None),))

    _rmdir = _unlink

    def _rename(self, arguments: list[str], _: int) -> None:
        old, new = self._path(arguments[0]), self._path(arguments[1])
        if old is None and new is None:
            return
        if old is None or new is None or _folder(old) != _folder(new):
            raise TraceError(f"a renaming between folders: {old} to {new}")
        self._change(new, ((old, None), (new, self._nodes[old])))

    def _mkdirat(self, arguments: list[str], result: int) -> None:
        self._mkdir(arguments[1:], result)

    def _unlinkat(self, arguments: list[str], result: int) -> None:
        self._unlink(arguments[1:], result)

    def _symlinkat(self, arguments: list[str], result: int) -> None:
        self._symlink([arguments[0], arguments[2]], result)

    def _linkat(self, arguments: list[str], result: int) -> None:
        self._link([arguments[1], arguments[3]], result)

    def _renameat(self, arguments: list[str], result: int) -> None:
        self._rename([arguments[1], arguments[3]], result)

    _renameat2 = _renameat

    def _made(self, argument: str, content: Callable[[], str | None]) -> None:
        path = self._path(argument)
        if path is not None:
            self._name(path, self._new(content()))

    def _new(self, content: bytes | str | None) -> int:
        node = self._recording.add(content)
        if isinstance(content, bytes):
            self._sizes[node] = 0
        return node

    def _name(self, path: str, node: int) -> None:
        self._change(path, ((path, node),))

    def _change(self, path: str, names: tuple[tuple[str, int | None], ...]) -> None:
        for one, node in names:
            if node is None:
                self._nodes.pop(one)
            else:
                self._nodes[one] = node
        changed = tuple((one.rpartition("/")[2], node) for one, node in names)
        self._recording.operations.append(Rename(self._nodes[_folder(path)], changed))

    def _path(self, argument: str) -> str | None:
        """The path below the folder that an argument names; None for other places and what is left out."""
        if not argument.startswith('"'):
            return None
        place = _text(argument)
        if place == self._folder:
            return ""
        inside = place.startswith(f"{self._folder}/") and is_kept(place)
        return place[len(self._folder) + 1 :] if inside else None


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _number(argument: str) -> int:
    found = re.match(r"\d+", argument)
    return -1 if found is None else int(found[0])


def _bytes(argument: str) -> bytes:
    if argument.endswith("..."):
        raise TraceError("strace cut a write short")
    return bytes.fromhex(argument.strip('"').replace("\\x", ""))


def _text(argument: str) -> str:
    return os.fsdecode(_bytes(argument))
