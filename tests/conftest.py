"""Markers by folder, skips by name for what this machine lacks, and Hypothesis without a clock."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
MARKER_OF_FOLDER = {"simulation": "slow", "integration": "slow", "e2e": "e2e"}
"""What lies directly in tests/ reads the whole tree and is slow, too."""
SBIN = "/usr/sbin"  # Debian installs mosquitto here, and a plain user's PATH lacks it

# The same examples for everybody, so that a change is judged by what it changed; many more would be the same
# ones every time, too. To look for new ones: make test-fast ARGS=--hypothesis-profile=search
settings.register_profile("edge", deadline=None, print_blob=True, derandomize=True, max_examples=50)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=500)
settings.load_profile("edge")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by folder, and skip what needs a program or library that is not here."""
    missing = {
        "mosquitto": _lacks_program("mosquitto") and "mosquitto is not installed (apt-get install mosquitto)",
        "oracle": find_spec("torch") is None and "PyTorch is not installed (pip install torch==2.13.0)",
    }
    for item in items:
        parts = item.path.relative_to(TESTS).parts
        marker_of_place = MARKER_OF_FOLDER.get(parts[0]) if len(parts) > 1 else "slow"
        if marker_of_place is not None:
            item.add_marker(marker_of_place)
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _lacks_program(name: str) -> bool:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), SBIN])) is None
