"""The allocator's settings are taken by this C library, or it is said that it has none."""

from __future__ import annotations

import platform
import subprocess
import sys


def test_glibc_takes_the_settings() -> None:
    """In a process of its own, since they stay."""
    code = "import sys; from edge_client.runtime.allocator import spare_memory; sys.exit(spare_memory())"
    taken = subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
    assert taken == (platform.libc_ver()[0] == "glibc")
