"""The allocator's settings are taken by this C library, or it is said that it has none."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


def test_glibc_takes_the_settings() -> None:
    """In a process of its own, since they stay."""
    code = "import sys; from edge_client.runtime.allocator import spare_memory; sys.exit(spare_memory())"
    taken = subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
    assert taken == (platform.libc_ver()[0] == "glibc")


_PROGRAM = """
from pathlib import Path
from edge_client.runtime.allocator import return_freed, spare_memory

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

spare_memory()
blocks = [bytearray(b"x" * (256 << 10)) for _ in range(40)]
last = bytearray(b"x" * (256 << 10))
blocks.clear()
before = resident_pages()
assert return_freed()
print(before - resident_pages())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc_trim")
def test_what_was_freed_is_given_back_when_told() -> None:
    """Ten megabytes, below a block that is still in use."""
    done = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) * 4096 > 9e6
