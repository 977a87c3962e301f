from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from edge_client.protocol.errors import Reason
from edge_client.protocol.machine import Note, Refused
from edge_client.runtime.logs import EventLog, SeenOnce, configure, line


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure(stream, journal=True)
    yield stream
    root.handlers[:], root.level = before[0], before[1]


def test_a_line_cannot_be_forged_by_a_value() -> None:
    text = line("refused", sender="a b", detail='x"\nlink_up server=evil\\', count=3, ok=True)
    assert text == r'refused sender="a b" detail="x\"\u000alink_up server=evil\\" count=3 ok=true'


def test_long_values_are_cut() -> None:
    assert len(line("e", detail="x" * 10_000)) < 250


def test_every_line_of_a_traceback_has_the_priority(journal: io.StringIO) -> None:
    def break_down() -> None:
        raise ValueError("two\nlines")

    try:
        break_down()
    except ValueError:
        logging.getLogger("t").exception("broke")
    assert all(text.startswith("<3>") for text in journal.getvalue().splitlines())


def test_refusals_are_counted_always_and_logged_once_per_reason_and_sender(journal: io.StringIO) -> None:
    log = EventLog(logging.getLogger("t"))
    for _ in range(5):
        log.refused(Refused(Reason.STALE, "dev1", "three rounds late"))
    log.refused(Refused(Reason.STALE, "dev2", "four rounds late"))
    log.refused(Refused(Reason.REPLAY, "dev1", "seen"))
    assert log.refused_counts == {Reason.STALE: 6, Reason.REPLAY: 1}
    assert journal.getvalue().splitlines() == [
        '<4>refused reason=stale sender=dev1 detail="three rounds late"',
        '<4>refused reason=stale sender=dev2 detail="four rounds late"',
        "<4>refused reason=replay sender=dev1 detail=seen",
    ]


def test_notes(journal: io.StringIO) -> None:
    EventLog(logging.getLogger("t")).note(Note("round_opened", {"round": 7, "selected": True}))
    assert journal.getvalue() == "<6>round_opened round=7 selected=true\n"


def test_memory_for_once_is_bounded() -> None:
    seen = SeenOnce(remembered_max=3)
    assert [seen.first(thing) for thing in "abcab"] == [True, True, True, False, False]
    assert seen.first("d")  # c is forgotten: it was seen longest ago
    assert not seen.first("a")
    assert seen.first("c")
