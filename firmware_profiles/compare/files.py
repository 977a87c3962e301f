"""The facts of a comparison and its page into files."""

from __future__ import annotations

from pathlib import Path

from edge_client.runtime.files import replace
from firmware_profiles.compare.facts import ComparedFacts
from firmware_profiles.compare.page import page_of_comparison
from firmware_profiles.report.canvas import svg
from firmware_profiles.report.markup import Picture

PAGE_NAME = "compare.html"
FACTS_NAME = "compare.json"


def write_comparison(facts: ComparedFacts, folder: Path, picture: Picture = svg) -> Path:
    """Facts and page, each whole or not at all; returns the page. Raises `OSError`."""
    replace(folder / FACTS_NAME, facts.to_json().encode())
    replace(folder / PAGE_NAME, page_of_comparison(facts, picture).encode())
    return folder / PAGE_NAME
