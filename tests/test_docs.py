"""The documents name every command and option, and every file they point to exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from edge_client.config import read_config
from edge_client.core.agent import Phase
from edge_client.reading import read_status
from tests.owned_device import init_device

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = ROOT / "docs" / "OPERATIONS.md"
PROGRAMS = {
    "edge-client": "edge_client.cli",
    "edge-broker": "broker.cli",
    "edge-fleet": "firmware_profiles.cli",
}
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ .*?`(?P<command>[^`]+)`", re.MULTILINE)


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def broken_links(text: str, folder: Path) -> list[str]:
    """Relative links whose file is missing; web addresses and anchors of the same page are not looked at."""
    targets = [match["target"] for match in _LINK.finditer(_CODE_BLOCK.sub("", text))]
    files = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    return [name for name in files if name and not (folder / name).exists()]


def commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, as the words a user types."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None, f"{path} {name} cannot be loaded"
            yield from commands(f"{path} {name}", child)
    else:
        yield path, command


def sections(text: str) -> dict[str, str]:
    """Text below each heading that names a command in backticks, up to the next such heading."""
    found = list(_HEADING.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)] * bool(found)
    return {match["command"]: text[match.end() : end] for match, end in zip(found, ends, strict=True)}


def undocumented(program: str, command: click.Command, text: str) -> list[str]:
    """Commands without a heading of their own, and options that the section below it does not name."""
    found = []
    by_command = sections(text)
    for path, leaf in commands(program, command):
        if path not in by_command:
            found.append(f"no heading with `{path}`")
            continue
        options = [param for param in leaf.params if isinstance(param, click.Option) and not param.hidden]
        longest = [max(option.opts, key=len) for option in options]
        found += [f"`{path}` {name}" for name in longest if f"`{name}" not in by_command[path]]
    return found


def test_links_lead_somewhere() -> None:
    broken = {doc: broken_links(doc.read_text(encoding="utf-8"), doc.parent) for doc in documents()}
    assert {str(doc.relative_to(ROOT)): names for doc, names in broken.items() if names} == {}


@pytest.mark.parametrize("program", PROGRAMS)
def test_operations_md_names_every_command_and_option(program: str) -> None:
    assert OPERATIONS.exists(), "docs/OPERATIONS.md is missing"
    command = importlib.import_module(PROGRAMS[program]).main
    assert isinstance(command, click.Command), f"{PROGRAMS[program]}.main is the click command itself"
    assert undocumented(program, command, OPERATIONS.read_text(encoding="utf-8")) == []


def named_tests(text: str) -> list[tuple[str, str]]:
    """File and function of the last cell of each row below "What a device does when"."""
    section = text.partition("## What a device does when\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [row.rstrip("| ").rsplit("| ", 1)[1] for row in rows]
    found = [re.fullmatch(r"`(test_\w+\.py)::(test_\w+)`", cell) for cell in cells]
    assert all(found), [cell for cell, match in zip(cells, found, strict=True) if match is None]
    return [(match[1], match[2]) for match in found if match is not None]


def missing_tests(named: list[tuple[str, str]], folder: Path) -> list[str]:
    """Those that are not there."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("test_*.py")}
    return [f"{file}::{name}" for file, name in named if f"def {name}(" not in texts.get(file, "")]


def test_each_defined_behaviour_names_a_test_that_is_there() -> None:
    named = named_tests(OPERATIONS.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert missing_tests(named, ROOT / "tests") == []


def test_a_missing_test_is_seen(tmp_path: Path) -> None:
    table = "## What a device does when\n| a | t |\n|---|---|\n| x | `test_x.py::test_y` |\n\n## Next\n"
    assert missing_tests(named_tests(table), tmp_path) == ["test_x.py::test_y"]
    (tmp_path / "test_x.py").write_text("def test_y() -> None: ...")
    assert missing_tests(named_tests(table), tmp_path) == []


def test_the_readme_leads_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def test_a_missing_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "there.md").touch()
    text = "[a](there.md#x) [b](https://example.org/x) [c](#here) [d](gone.md)\n```\n[e](code.md)\n```\n"
    assert broken_links(text, tmp_path) == ["gone.md"]


def test_a_missing_command_and_option_are_seen() -> None:
    @click.group()
    def tool() -> None:
        pass

    @tool.command()
    @click.option("--speed", "-s")
    @click.option("--quiet/--loud")
    def run(speed: str, quiet: bool) -> None:
        pass

    assert undocumented("tool", tool, "# Nothing") == ["no heading with `tool run`"]
    assert undocumented("tool", tool, "## `tool run`\n`--speed S`\n## `tool stop`\n`--quiet`") == [
        "`tool run` --quiet"
    ]
    assert undocumented("tool", tool, "## `tool run`\n`--speed S`, `--quiet`") == []


def test_every_phase_and_field_of_a_device_is_explained(tmp_path: Path) -> None:
    """What `edge-client status` can show."""
    folder = init_device(tmp_path / "state", bytes(32))
    shown = [name for name in read_status(folder, read_config(folder)) if name != "updates"]
    text = OPERATIONS.read_text(encoding="utf-8")
    explained = text[text.index("## Status explained") : text.index("## Refusals explained")]
    assert [phase.value for phase in Phase if f"`{phase.value}`" not in explained] == []
    assert [name for name in shown if name.replace("_", " ") not in explained] == []
