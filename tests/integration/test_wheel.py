"""What is handed out: sdist and wheel, built from the tree as a packager does, and installed elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("broker", "edge_client", "firmware_profiles")
EXTRAS = {"litert", "tflite", "dbus", "images", "tls", "broker", "fleet", "dev"}
SUFFIXES = {".py", ".typed", ".service", ".conf", ".toml", ".html", ".css", ".js", ".npz"}
INSTALLED_BYTES_MAX = 18_000_000
"""Budget of an installation without pip, numpy and the TFLite runtime."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist and the wheel, which is built from that sdist: so nothing is missing in it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for name in (*PACKAGES, "tests", "docs"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "edge_client" / "device.key").write_text("a secret that lies about\n")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_programs_and_nothing_else(wheel: Path) -> None:
    names = {one for one in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in one}
    assert {name.partition("/")[0] for name in names} == set(PACKAGES)
    assert {Path(name).suffix for name in names} <= SUFFIXES
    wanted = [path for one in PACKAGES for path in (ROOT / one).rglob("*") if path.suffix in SUFFIXES]
    assert names == {path.relative_to(ROOT).as_posix() for path in wanted}
    assert "edge_client/units/edge-client.service" in names


def test_the_sdist_holds_no_tests_and_no_secrets(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {"pyproject.toml", "README.md", "LICENSE"} <= set(names)
    assert [name for name in names if name.startswith("tests") or name.endswith((".key", ".db"))] == []


def test_what_pip_reads(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Requires-Python"]) == ("edge-client", ">=3.10")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    wanted = [Requirement(one) for one in metadata.get_all("Requires-Dist", [])]
    always = {one.name for one in wanted if "extra" not in str(one.marker)}
    assert always == {"click", "numpy", "paho-mqtt", "psutil", "pynacl", "sqlite-utils", "tomli"}


def test_it_works_where_it_is_installed_without_a_network(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are those of the environment that tests run in; the programs come from the wheel."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    python = tmp_path / "bin" / "python"
    install = [str(python), "-I", "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(
        subprocess.run([python, "-I", "-c", asked], check=True, capture_output=True, text=True).stdout.strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for program in ("edge-client", "edge-broker", "edge-fleet"):
        done = subprocess.run(
            [tmp_path / "bin" / program, "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=alone,
        )
        assert "version" in done.stdout
    asked = (
        "from importlib.resources import files; print(files('edge_client') / 'units' / 'edge-client.service')"
    )
    unit = subprocess.run([python, "-I", "-c", asked], capture_output=True, text=True, check=True)
    assert Path(unit.stdout.strip()).is_relative_to(site)
    assert Path(unit.stdout.strip()).is_file()


def _installed(name: str, seen: set[str]) -> Iterator[str]:
    """`name` and everything that it always needs."""
    if name in seen:
        return
    seen.add(name)
    yield name
    for text in distribution(name).requires or []:
        need = Requirement(text)
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield from _installed(need.name.lower(), seen)


def test_an_installation_is_small(wheel: Path) -> None:
    names = [one for one in _installed("edge-client", set()) if one not in {"edge-client", "numpy", "pip"}]
    files = [Path(str(file.locate())) for name in names for file in distribution(name).files or []]
    ours = sum(info.file_size for info in zipfile.ZipFile(wheel).infolist())
    total = (
        sum(path.stat().st_size for path in set(files) if path.is_file()) + 2 * ours
    )  # .pyc beside each .py
    print(f"installed: {total / 1e6:.1f} MB: ours {2 * ours / 1e6:.1f}, and {', '.join(sorted(names))}")
    assert 1_000_000 < total <= INSTALLED_BYTES_MAX
