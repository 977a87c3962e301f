"""What importing and asking for help costs on a board, and that no broker or fleet extra is needed for it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("amqtt", "qrcode", "rich", "sklearn", "tensorflow", "torch", "cryptography")
HEAVY = ("ai_edge_litert", "tflite_runtime", "numpy", "flatbuffers", "sqlite_utils", "paho")
HELP = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None  # an import of it raises ImportError, as if it were not installed
from edge_client.cli import main
try:
    main({arguments!r})
finally:
    print("LOADED", *sorted(set({heavy!r}) & sys.modules.keys()))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)


def loaded_by(imports: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {imports}; print(*set(sys.modules) - before)"
    return set(run(code).stdout.split())


def ask_for_help(*command: str) -> subprocess.CompletedProcess[str]:
    return run(HELP.format(blocked=EXTRAS, arguments=[*command, "--help"], heavy=HEAVY))


def client_commands() -> list[str]:
    main = importlib.import_module("edge_client.cli").main
    assert isinstance(main, click.Group)
    return main.list_commands(click.Context(main))


def test_importing_edge_client_loads_nothing_else() -> None:
    assert loaded_by("import edge_client") == {"edge_client"}


def test_the_protocol_needs_no_runtime_and_no_store() -> None:
    loaded = loaded_by("from edge_client.protocol import header, votes, validators")
    assert "edge_client.protocol.votes" in loaded
    assert loaded & {*HEAVY, "asyncio", "socket", "sqlite3", "click"} <= {"numpy"}


def test_edge_client_answers_help_without_the_extras_and_without_heavy_imports() -> None:
    result = ask_for_help()
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout
    assert result.stdout.rstrip().endswith("LOADED")


def test_every_command_answers_help_without_the_extras() -> None:
    for command in client_commands():
        result = ask_for_help(command)
        assert result.returncode == 0, f"edge-client {command} --help: {result.stderr}"
        assert "Usage:" in result.stdout


def test_a_process_of_emulated_devices_loads_nothing_that_only_the_parent_needs() -> None:
    """It loads the file that began the rehearsal, too: `edge-fleet`, or the benchmark."""
    loaded = loaded_by(
        "import firmware_profiles.cli, benchmarks.bench_fleet, firmware_profiles.emulate.worker"
    )
    assert "firmware_profiles.emulate.worker" in loaded
    assert not loaded & {"sklearn", "scipy", "matplotlib", "rich", "amqtt"}


MISTAKES = (
    "demo --validators 3",
    "simulate nosuch",
    "emulate nosuch",
    "emulate home --shard 9/3",
    "emulate home --mqtt bogus://",
    "compare nosuch",
    "compare home --policy strange",
    "fleets nosuch",
    "report nosuch",
)
MISTAKEN = """
import sys
from firmware_profiles.cli import main
for line in {lines!r}:
    try:
        main(line.split())
    except SystemExit as end:
        print(line, end.code)
print("LOADED", *sorted(set({heavy!r}) & sys.modules.keys()))
"""


def test_edge_fleet_tells_a_mistake_before_it_loads_what_works() -> None:
    heavy = ("sklearn", "scipy", "matplotlib", "rich", "ai_edge_litert", "amqtt")
    result = run(MISTAKEN.format(lines=MISTAKES, heavy=heavy))
    assert result.stdout.splitlines() == [*(f"{line} 2" for line in MISTAKES), "LOADED"], result.stderr


MISSING = """
import sys
from edge_client.cli import main
for name in {names!r}:
    try:
        main([name, *{rest!r}.get(name, ()), "--state", "/nowhere"])
    except SystemExit as end:
        print(name, end.code)
print("LOADED", *sorted(set({heavy!r}) & sys.modules.keys()))
"""


def test_edge_client_tells_a_missing_device_before_it_loads_what_works() -> None:
    names = ("run", "status", "why", "pause", "resume", "history", "calibrate", "verify", "prune", "export")
    rest = {"prune": ["--keep", "2000"], "export": ["-o", "model.tflite"]}
    result = run(MISSING.format(names=names, rest=rest, heavy=HEAVY))
    assert result.stdout.splitlines() == [*(f"{name} 2" for name in names), "LOADED"], result.stderr
    file = Path("/nowhere") / "edge-client.toml"
    assert set(result.stderr.splitlines()) == {
        f"edge-client: there is no configuration file {file}; `init` writes one"
    }
