"""With which software a rehearsal was made, as far as its numbers may depend on it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from edge_client import __version__

PACKAGES = ("ai-edge-litert", "numpy", "scikit-learn")


def software() -> str:
    """`edge-client 0.1.0, Python 3.11.2, numpy 2.1.0, …, x86_64`."""
    found = [f"edge-client {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join((*found, platform.machine()))
