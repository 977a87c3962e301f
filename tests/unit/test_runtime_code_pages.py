"""Code that was let go of is not resident any more, and runs again when it is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge_client.runtime import code_pages

_PROGRAM = """
import re, sqlite3
from pathlib import Path
from edge_client.runtime.code_pages import let_go_of_code

def resident_kb():
    return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def work():
    return sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0]

assert work() == 42
before = resident_kb()
assert let_go_of_code() > 1 << 20
after = resident_kb()
assert work() == 42
print(before, after)
"""


@pytest.mark.skipif(not code_pages._BITS_64, reason="64-bit Linux")
def test_code_is_given_back_and_comes_again() -> None:
    """In a process of its own, whose resident memory nobody else changes."""
    printed = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    before, after = map(int, printed.stdout.split())
    assert after < before * 0.7


def test_on_32_bits_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """There code may differ from its file."""
    monkeypatch.setattr(code_pages, "_BITS_64", False)
    assert code_pages.let_go_of_code() == 0


def test_only_whole_pages_of_segments_that_nobody_can_have_written() -> None:
    """The loader's table of a library with code, data, and a segment that is not loaded."""
    segments = (code_pages._Segment * 3)(
        code_pages._Segment(kind=1, flags=5, address=0x1010, bytes=0x1000),
        code_pages._Segment(kind=1, flags=6, address=0x5000, bytes=0x1000),
        code_pages._Segment(kind=2, flags=4, address=0x7000, bytes=0x1000),
    )
    library = code_pages._Library(base=0x10000, segments=segments, segment_count=3)
    assert list(code_pages._constant(library)) == [(0x11000, 0x2000)]
