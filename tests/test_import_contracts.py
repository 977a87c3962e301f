"""The import contracts of pyproject.toml hold, and would notice each arrow they forbid."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINT = [
    str(Path(sys.executable).with_name("lint-imports")),
    "--no-logo",
    "--no-cache",
    "--config",
    str(ROOT / "pyproject.toml"),
]
TREE = (
    "edge_client.cli",
    "edge_client.service",
    "edge_client.adapters.store",
    "edge_client.core.agent",
    "edge_client.litert.graph",
    "edge_client.protocol.header",
    "edge_client.runtime.loop",
    "broker.cli",
    "broker.service",
    "broker.adapters.wal",
    "broker.core.validator",
    "firmware_profiles.cli",
    "firmware_profiles.profiles.board",
    "firmware_profiles.twin.heat",
)
FORBIDDEN = (
    ("edge_client.protocol", "time"),
    ("edge_client.protocol", "edge_client.core.agent"),
    ("edge_client.core", "asyncio"),
    ("edge_client.core", "os.path"),
    ("edge_client.core", "paho.mqtt"),
    ("edge_client.core", "edge_client.runtime.loop"),
    ("edge_client.core", "edge_client.litert.graph"),
    ("edge_client.core", "edge_client.adapters.store"),
    ("edge_client.runtime", "edge_client.core.agent"),
    ("edge_client.adapters", "edge_client.service"),
    ("edge_client.adapters", "broker.core.validator"),
    ("edge_client.adapters", "firmware_profiles.cli"),
    ("edge_client.adapters", "sklearn"),
    ("edge_client.adapters", "torch"),
    ("broker.core", "sqlite3"),
    ("broker.core", "broker.adapters.wal"),
    ("broker.core", "edge_client.runtime.loop"),
    ("broker.adapters", "edge_client.core.agent"),
    ("broker.adapters", "edge_client.adapters.store"),
    ("broker.adapters", "firmware_profiles.cli"),
    ("firmware_profiles", "tests.builders"),
    ("firmware_profiles.profiles", "pathlib"),
    ("firmware_profiles.twin", "random"),
    ("firmware_profiles.twin", "edge_client.adapters.store"),
)
ALLOWED = (
    ("edge_client.adapters", "edge_client.core.agent"),
    ("edge_client.core", "edge_client.protocol.header"),
    ("edge_client.core", "numpy"),
    ("edge_client.runtime", "threading"),
    ("broker.core", "edge_client.protocol.header"),
    ("broker.adapters", "edge_client.runtime.loop"),
    ("broker.adapters", "edge_client.litert.graph"),
    ("firmware_profiles", "edge_client.adapters.store"),
    ("firmware_profiles", "broker.adapters.wal"),
    ("firmware_profiles.twin", "edge_client.core.agent"),
)


def lint(cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(LINT, cwd=cwd, capture_output=True, text=True, check=False)


def plant(root: Path, arrows: tuple[tuple[str, str], ...]) -> list[str]:
    """Write a stub tree and one module per arrow; returns `importer -> imported` as the linter prints it."""
    for module in TREE:
        path = root / f"{module.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for folder in [path for path in root.rglob("*") if path.is_dir()]:
        (folder / "__init__.py").touch()
    lines = []
    for index, (package, imported) in enumerate(arrows):
        (root / package.replace(".", "/") / f"arrow_{index}.py").write_text(
            f"import {imported}\n", encoding="utf-8"
        )
        top = (
            imported if imported.startswith(("edge_client", "broker", "firmware")) else imported.split(".")[0]
        )
        lines.append(f"{package}.arrow_{index} -> {top}")
    return lines


def test_the_project_keeps_its_contracts() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


def test_every_forbidden_arrow_is_noticed(tmp_path: Path) -> None:
    arrows = plant(tmp_path, FORBIDDEN)
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    assert [arrow for arrow in arrows if arrow not in result.stdout] == []


def test_the_arrows_of_the_design_are_allowed(tmp_path: Path) -> None:
    plant(tmp_path, ALLOWED)
    result = lint(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
