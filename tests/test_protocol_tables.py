"""docs/PROTOCOL.md and the code describe the same structs, numbers, tags and topics."""

from __future__ import annotations

from pathlib import Path

from edge_client.protocol.header import Header
from tests.protocol_tables import differences, render, tables_of_code, tables_of_text

PROTOCOL = Path(__file__).resolve().parents[1] / "docs" / "PROTOCOL.md"
TITLE = "Header (116 bytes)"


def test_protocol_md_agrees_with_the_code() -> None:
    assert PROTOCOL.exists(), (
        "docs/PROTOCOL.md is missing: `python -m tests.protocol_tables` prints its tables"
    )
    assert differences(tables_of_code(), tables_of_text(PROTOCOL.read_text(encoding="utf-8"))) == []


def test_the_code_is_read_whole() -> None:
    tables = tables_of_code()
    assert tables[TITLE] == list(Header.LAYOUT.fields)
    assert ("UPDATE", "update--") in tables["Purpose"]
    assert ("HEADER", "flc/hdr") in tables["Tag"]
    assert ("MALFORMED", "malformed") in tables["Reason"]
    assert ("up_chunk", "fl/v1/<chain>/up/<device>/chunk/<root>/<index>") in tables["Topics"]


def test_the_printed_skeleton_reads_back() -> None:
    tables = tables_of_code()
    assert tables_of_text(render(tables)) == tables


def test_each_kind_of_disagreement_is_seen() -> None:
    code = tables_of_code()
    text = render(code)
    for broken, part in (
        (text.replace("Header (116 bytes)", "Header (115 bytes)"), TITLE),
        (text.replace("| height | `u32`", "| height | `u64`"), "height"),
        (
            text.replace(
                "| slot | `u32` | |\n| time_s | `u32` | |", "| time_s | `u32` | |\n| slot | `u32` | |"
            ),
            "order",
        ),
        (text.replace("| MALFORMED | `malformed` | |\n", ""), "MALFORMED"),
        (
            text + "\n#### Ghost (4 bytes)\n\n| field | kind | meaning |\n|---|---|---|\n| a | u32 | |\n",
            "Ghost",
        ),
    ):
        assert broken != text
        assert any(part in line for line in differences(code, tables_of_text(broken))), part


def test_text_below_the_next_heading_is_not_part_of_a_table() -> None:
    text = (
        "#### A\n\n| name | value | meaning |\n|---|---|---|\n| X | `1` | one |\n\n### Rules\n\n| a | b |\n"
    )
    assert tables_of_text(text) == {"A": [("X", "1")]}
