"""The log file of a child process: what it says, and what it died of."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_client.runtime import logs


@contextmanager
def logged_to(file: Path, level: int) -> Iterator[None]:
    """All of it goes there, an error that ends the process as well: nobody sees its standard error."""
    with file.open("a", encoding="utf-8") as log:
        before, sys.stderr = sys.stderr, log
        logs.configure(log, level=level)
        try:
            yield
        except Exception:
            traceback.print_exc(file=log)
            raise
        finally:
            sys.stderr = before
            logs.configure(before, level=level)
