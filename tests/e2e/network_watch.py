"""Copied as `sitecustomize.py` to where Python processes look: writes down name look-ups and connections.

Standard library only: it runs before anything else, in processes that are no tests.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

LOG_FILE = "network.log"
LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook."""
    if event in LOOKUPS:
        write(f"{event} {arguments[0]}")
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        write(f"{event} {arguments[1][0]}")


def write(line: str) -> None:
    """One line, whole, from any process."""
    path = Path(__file__).with_name(LOG_FILE)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode() + b"\n")
    os.close(descriptor)


if __name__ == "sitecustomize":
    write(f"started {os.getpid()}")
    sys.addaudithook(watch)
