"""A process for `test_power_cuts.py`: one object, and one model file, in folders that are not there yet."""

from __future__ import annotations

import sys
from pathlib import Path

from edge_client.adapters.model_files import ModelFiles
from edge_client.runtime.objects import ObjectStore

ROOT = bytes(range(32))


def main() -> None:
    """Both are durable when this ends."""
    folder = Path(sys.argv[1])
    ObjectStore(folder / "state" / "objects", 100).put(ROOT, b"one")
    ModelFiles(folder).publish(ROOT, [b"two"])


if __name__ == "__main__":
    main()
