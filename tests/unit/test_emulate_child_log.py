"""The log of a child process tells what it died of."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from firmware_profiles.emulate.child_log import logged_to


@pytest.fixture(autouse=True)
def own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)


def die() -> None:
    logging.getLogger("one").warning("first")
    raise RuntimeError("the disk is full")


def test_what_ends_the_process_stands_in_its_log(tmp_path: Path) -> None:
    file, before = tmp_path / "one.log", sys.stderr
    with pytest.raises(RuntimeError), logged_to(file, logging.WARNING):
        die()
    logging.getLogger("one").warning("later")
    text = file.read_text(encoding="utf-8")
    assert "first" in text
    assert "RuntimeError: the disk is full" in text
    assert "later" not in text
    assert sys.stderr is before
