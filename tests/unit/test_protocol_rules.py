"""Rule tags in code and tests name rules that docs/PROTOCOL.md has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = re.findall(
    r"^- \*\*\[([A-Z]+-[A-Z0-9]+)\]\*\*",
    (ROOT / "docs/PROTOCOL.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
FAMILIES = {rule.split("-")[0] for rule in RULES}
_CITED = re.compile(r"\[([A-Z]{2,5}(?:-[A-Z0-9]+)?)\]")


def test_no_rule_stands_twice() -> None:
    assert len(RULES) > 90
    assert len(set(RULES)) == len(RULES)


@pytest.mark.parametrize("folder", ["edge_client", "broker", "tests"])
def test_cited_rules_exist(folder: str) -> None:
    """A citation is a rule, [AGG-4], or a family of them, [AGG]."""
    cited = {
        (path.name, tag)
        for path in (ROOT / folder).rglob("*.py")
        for tag in _CITED.findall(path.read_text(encoding="utf-8"))
        if tag.split("-")[0] in FAMILIES
    }
    assert {(name, tag) for name, tag in cited if tag not in FAMILIES and tag not in RULES} == set()
    assert cited or folder == "broker"


def test_texts_name_rules_that_exist() -> None:
    for path in [ROOT / "docs/PROTOCOL.md", *(ROOT / "docs/adr").glob("*.md")]:
        tags = _CITED.findall(path.read_text(encoding="utf-8"))
        named = [tag for tag in tags if tag.split("-")[0] in FAMILIES and "-" in tag]
        assert [tag for tag in named if tag not in RULES] == []
