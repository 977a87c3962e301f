"""What `make` says on a machine that lacks something, and that CI runs nothing of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOO_OLD = "exit 1"
NO_ENSUREPIP = 'case "$*" in *ensurepip*) exit 1;; *) exit 0;; esac'


def make_venv(tmp_path: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/venv.sh where `python3` is the given shell script and nothing else is on PATH."""
    program = tmp_path / "bin" / "python3"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
    program.chmod(0o755)
    command = ["/bin/sh", str(ROOT / "scripts" / "venv.sh"), str(tmp_path / "venv"), "dev"]
    environment = {"PATH": str(program.parent)}
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("python", "last_line"),
    [
        (TOO_OLD, "edge-client needs Python 3.10 or newer, and python3 is older or missing."),
        (NO_ENSUREPIP, "sudo apt-get install -y python3-venv"),
    ],
)
def test_a_machine_that_lacks_something_gets_one_line_and_code_3(
    tmp_path: Path, python: str, last_line: str
) -> None:
    result = make_venv(tmp_path, python)
    assert result.returncode == 3
    assert result.stderr.splitlines()[-1] == last_line
    assert not (tmp_path / "venv").exists()


def test_ci_runs_make_and_nothing_else() -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()]
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands[:2] == ["set -eu", 'cd "$(dirname "$0")/.."']
    assert commands[2:] in (["make test"], ["make test", "make demo"])


def test_make_help_names_the_two_commands() -> None:
    result = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"demo", "test"} <= {
        line.split()[0] for line in result.stdout.splitlines() if line.startswith("  ")
    }


def test_a_part_keeps_its_exit_code_and_the_table_names_it(tmp_path: Path) -> None:
    def part(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "scripts" / "part.sh"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert part("old", "true").returncode == 0
    part("--forget")
    assert [part("good", "true").returncode, part("bad", "sh", "-c", "exit 7").returncode] == [0, 7]
    table = [line.split() for line in part("--table").stdout.splitlines()[1:]]
    assert [[name, unit] for name, _, unit in table] == [["good", "s"], ["bad", "s"], ["together", "s"]]
