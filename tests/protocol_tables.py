"""The tables docs/PROTOCOL.md must hold, read off the code; `python -m tests.protocol_tables` prints them.

Three kinds of table, each under a fourth-level heading: a fixed struct (`#### Name (N bytes)`: field, kind,
meaning), an enum whose values leave the process (`#### Name`: name, value, meaning) and the topics
(`#### Topics`: name, topic, meaning). The last column is prose and never compared.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from enum import Enum
from types import ModuleType

import edge_client.protocol
from edge_client.protocol.encoding import Fixed
from edge_client.protocol.topics import Topics

Rows = list[tuple[str, str]]
Tables = dict[str, Rows]
TOPICS_HEADING = "Topics"
_HEADING = re.compile(r"^#### (?P<title>.+?)\s*$")
_ROW = re.compile(r"^\|\s*(?P<first>[^|]+?)\s*\|\s*(?P<second>[^|]+?)\s*\|")
_RULER = re.compile(r"^\|[\s:|-]+\|$")


def tables_of_code() -> Tables:
    """Every table the code asks for: heading to its (first, second) columns."""
    tables: Tables = {}
    for kind in _public_classes():
        if issubclass(kind, Fixed) and kind is not Fixed:
            tables[f"{kind.__name__} ({kind.LAYOUT.size_bytes} bytes)"] = list(kind.LAYOUT.fields)
        elif issubclass(kind, Enum) and issubclass(kind, (bytes, int, str)):
            tables[kind.__name__] = [(member.name, show(member.value)) for member in kind]
    tables[TOPICS_HEADING] = list(_topics())
    return tables


def tables_of_text(markdown: str) -> Tables:
    """Every table that stands under a fourth-level heading; backticks around a cell do not count."""
    tables: Tables = {}
    rows: Rows | None = None
    for line in markdown.splitlines():
        heading = _HEADING.match(line)
        if heading:
            rows = tables.setdefault(heading["title"].replace("`", ""), [])
        elif line.startswith("#"):
            rows = None
        elif rows is not None and (row := _ROW.match(line)) and not _RULER.match(line):
            rows.append((row["first"].strip("`"), row["second"].strip("`")))
    return {title: rows[1:] for title, rows in tables.items() if rows}


def differences(code: Tables, text: Tables) -> list[str]:
    """What PROTOCOL.md and the code disagree about, one sentence each, both directions."""
    found = [f"PROTOCOL.md lacks the table '#### {title}'" for title in code if title not in text]
    found += [
        f"PROTOCOL.md has '#### {title}', the code has no such thing" for title in text if title not in code
    ]
    for title in code.keys() & text.keys():
        if code[title] != text[title]:
            pairs = [pair for pair in code[title] if pair not in text[title]]
            extra = [pair for pair in text[title] if pair not in code[title]]
            found.append(
                f"#### {title}: missing {pairs}, unknown {extra}" if pairs or extra else f"{title}: order"
            )
    return sorted(found)


def render(tables: Tables) -> str:
    """The tables as Markdown with empty meanings."""
    return "\n".join(_render_one(title, rows) for title, rows in tables.items())


def show(value: bytes | int | str) -> str:
    """An enum value as the tables write it."""
    return value.decode("ascii") if isinstance(value, bytes) else str(value)


def _render_one(title: str, rows: Rows) -> str:
    columns = ("field", "kind") if title.endswith("bytes)") else ("name", "value")
    columns = ("name", "topic") if title == TOPICS_HEADING else columns
    lines = [f"#### {title}", "", f"| {columns[0]} | {columns[1]} | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *[f"| {first} | `{second}` | |" for first, second in rows], ""])


def _modules() -> Iterator[ModuleType]:
    root = edge_client.protocol
    yield root
    for info in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
        yield importlib.import_module(info.name)


def _public_classes() -> Iterator[type]:
    """Classes in the order of their modules and source lines, each where it is defined."""
    for module in _modules():
        own = [
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if kind.__module__ == module.__name__
        ]
        public = [kind for kind in own if not kind.__name__.startswith("_")]
        yield from sorted(public, key=lambda kind: inspect.getsourcelines(kind)[1])


def _topics() -> Iterator[tuple[str, str]]:
    """Every builder of one topic string, called with the names of its own parameters."""
    topics = Topics("<chain>")
    for name, builder in vars(Topics).items():
        if inspect.isfunction(builder) and builder.__annotations__.get("return") == "str" and name[0] != "_":
            arguments = [f"<{parameter}>" for parameter in list(inspect.signature(builder).parameters)[1:]]
            yield name, builder(topics, *arguments)


if __name__ == "__main__":
    print(render(tables_of_code()))
