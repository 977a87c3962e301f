"""The judge of power cuts: torn, lost, signed twice and stuck are told apart, and a sound program passes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.power.judging import Campaign, Depth, Ending, Found, Verdict
from tests.power.operations import ROOT, Mark, Operation, Rename, Sync, Write, recording_of
from tests.power.words import digest_of

FIRST, SECOND = b"first", b"other"
ONLY_ENDS = Depth(samples=0)


def saved(content: bytes) -> Mark:
    return Mark(json.dumps({"saved": "a word", "units": {"file": digest_of(content)}}))


def sent(content: bytes) -> Mark:
    return Mark(json.dumps({"sent": "the word", "digest": digest_of(content)}))


@dataclass
class Word:
    """A program that keeps one word; after a start it signs what it finds."""

    goes_on: bool = True

    def look(self, folder: Path) -> Found:
        content = (folder / "file").read_bytes()
        assert content, "an empty file is not a word"
        return Found({"file": digest_of(content)})

    def finish(self, folder: Path, chain: Sequence[Sequence[str]]) -> Ending:
        content = (folder / "file").read_bytes()
        faults = () if self.goes_on or content == FIRST else ("stands still",)
        return Ending({"the word": digest_of(content)}, faults)


def judge(tmp_path: Path, *operations: Operation, program: Word | None = None) -> Verdict:
    recording, _ = recording_of({"file": FIRST})
    recording.add(b"")
    recording.operations = [saved(FIRST), *operations, saved(SECOND)]
    return Campaign(program or Word(), recording, tmp_path / "cut").run(ONLY_ENDS)


NEW: list[Operation] = [Write(2, 0, SECOND), Sync(2), Rename(ROOT, (("file", 2),)), Sync(ROOT)]


def test_a_sound_program_passes(tmp_path: Path) -> None:
    verdict = judge(tmp_path, *NEW)
    assert (verdict.failures, verdict.points, verdict.folders) == ([], 4, 2)


def test_what_was_never_there_is_torn(tmp_path: Path) -> None:
    verdict = judge(tmp_path, Write(1, 0, SECOND[:3]), Write(1, 3, SECOND[3:]), Sync(1))
    assert any("what it never held" in one for one in verdict.torn)


def test_a_file_that_cannot_be_read_is_torn(tmp_path: Path) -> None:
    verdict = judge(tmp_path, NEW[0], *NEW[2:])
    assert any("it does not open" in one for one in verdict.torn)


def test_less_than_was_saved_is_lost(tmp_path: Path) -> None:
    verdict = judge(tmp_path, *NEW[:3])
    assert verdict.torn == []
    assert any("what had ended" in one for one in verdict.lost)


def test_less_than_was_answered_for_is_named_so(tmp_path: Path) -> None:
    verdict = judge(tmp_path, *NEW[:3], saved(SECOND), sent(SECOND))
    assert any("what left the process after" in one for one in verdict.lost)


def test_a_message_before_its_saving_is_signed_twice(tmp_path: Path) -> None:
    verdict = judge(tmp_path, sent(SECOND), *NEW)
    assert verdict.signed_twice
    assert verdict.torn + verdict.lost == []


def test_a_program_that_does_not_go_on_is_stuck(tmp_path: Path) -> None:
    assert judge(tmp_path, *NEW, program=Word(goes_on=False)).stuck
