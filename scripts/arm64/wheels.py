"""Our wheel and those it needs on an ARM board: built and fetched here, installed there without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from scripts.arm64.debian_root import PYTHON, Board, DebianRoot


def build_wheel(work: Path) -> Path:
    """Our wheel as published: made from the sdist, so that nothing left over in this tree gets into it."""
    dist = work / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), "."]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = dist.glob("*.whl")
    return wheel


def fetch_wheels(board: Board, wheel: Path) -> Path:
    """A folder of wheels for that board; kept until the dependencies change."""
    folder = wheel.parent.parent / f"wheels-{board.arch}"
    note, wanted = folder / "made-for.txt", made_for(board, wheel)
    if note.exists() and note.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    whole = f"edge-client[{board.extra}] @ file://{wheel}"
    what = ["--no-deps", *board.download] if board.download else [whole]
    platforms = [word for one in board.platforms for word in ("--platform", one)]
    fetch = ["-m", "pip", "download", "-q", "--only-binary=:all:", "--python-version", PYTHON]
    subprocess.run([sys.executable, *fetch, *platforms, "-d", str(folder), *what], check=True)
    note.write_text(wanted)
    return folder


def made_for(board: Board, wheel: Path) -> str:
    """What decides which wheels a board needs, as text."""
    return "\n".join([PYTHON, *board.platforms, *board.download, *_requirements(wheel)])


def _requirements(wheel: Path) -> list[str]:
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    return sorted(line for line in lines if line.startswith("Requires-Dist:"))


def install(root: DebianRoot, wheel: Path) -> None:
    """Install from wheels, without a network, into a new environment."""
    inside = root.path / "wheels"
    shutil.rmtree(inside, ignore_errors=True)
    shutil.copytree(fetch_wheels(root.board, wheel), inside)
    shutil.copy(wheel, inside)
    root.make_venv()
    pip = ["-m", "pip", "install", "-q", "--root-user-action=ignore", "--no-index", "--no-compile"]
    root.python(*pip, "--find-links", "/wheels", f"edge-client[{root.board.extra}]")
