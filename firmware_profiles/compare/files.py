"""The facts of a comparison and its page into files."""

from __future__ import annotations

from pathlib import Path

from edge_client.runtime.files import replace
from firmware_profiles.compare.facts import ComparedFacts
from firmware_profiles.compare.page import page_of_comparison

PAGE_NAME = "compare.html"
FACTS_NAME = "compare.json"


def write_comparison(facts: ComparedFacts, folder: Path) -> Path:
    """Facts and page, each whole or not at all; returns the page. Raises `OSError`."""
    replace(folder / FACTS_NAME, facts.to_json().encode())
    replace(folder / PAGE_NAME, page_of_comparison(facts).encode())
    return folder / PAGE_NAME
