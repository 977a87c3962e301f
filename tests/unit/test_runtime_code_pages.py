"""Code that was let go of is not resident any more, and runs again when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge_client.runtime.code_pages import places

_PROGRAM = """
import re, sqlite3
from pathlib import Path
from edge_client.runtime.code_pages import LoadedCode

def resident_kb():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def work():
    return sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0]

code = LoadedCode()
for _ in range(2):  # looked at, then remembered
    assert work() == 42
    before = resident_kb()
    assert code.let_go() > 1 << 20
    after = resident_kb()
    print(before, after)
given = code.let_go()
import decimal, lzma
decimal.Decimal(1) / 7
assert code.let_go() > given, "what was loaded since"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_code_is_given_back_and_comes_again() -> None:
    """In a process of its own, whose resident memory nobody else changes."""
    printed = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    for line in printed.stdout.splitlines():
        before, after = map(int, line.split())
        assert after < before * 0.7


_THREADS = """
import importlib, sys, threading
from edge_client.runtime.code_pages import LoadedCode
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=lambda: [LoadedCode().let_go() for _ in range(20)]) for _ in range(4)]
for one in threads: one.start()
for name in ("sqlite3", "ssl", "decimal", "lzma", "bz2"): importlib.import_module(name)
for one in threads: one.join()
"""


def test_several_threads_and_a_library_that_is_loaded_do_not_wait_for_each_other() -> None:
    """They once did: under the loader's lock for the interpreter's, and the other way round."""
    subprocess.run([sys.executable, "-c", _THREADS], check=True, timeout=60)


def _mapping(rights: str, anonymous_kb: int, inode: int = 7, file: str = "/lib/a b.so") -> bytes:
    lines = [
        f"00400000-00452000 {rights} 00000000 08:02 {inode}      {file}",
        "Rss:                 4 kB",
        f"Anonymous:           {anonymous_kb} kB",
        "VmFlags: rd ex mr mw me",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def test_only_what_is_as_in_its_file_and_cannot_be_written() -> None:
    place = (0x400000, 0x52000)
    assert list(places(_mapping("r-xp", 0)).values()) == [place]
    assert list(places(_mapping("r--p", 0)).values()) == [place]
    assert list(places(_mapping("r--p", 4)).values()) == [None]
    for other in (
        _mapping("rw-p", 0),
        _mapping("r--s", 0),
        _mapping("r-xp", 0, inode=0, file="[vdso]"),
    ):
        assert places(other) == {}
    assert list(places(_mapping("rw-p", 8) + _mapping("r-xp", 0)).values()) == [place]
    assert list(places(_mapping("r-xp", 0) + _mapping("rw-p", 8)).values()) == [place]
