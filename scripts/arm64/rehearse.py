"""`make test-arm64`: what an owner of an ARM board does, on this machine, emulated by qemu-user.

For a 64-bit Debian (LiteRT) and a 32-bit one (tflite-runtime): install from wheels, `init`, `doctor`, a round
of real training with a validator and an MQTT server on the host, `verify`. It shows that everything loads and
computes there; it says nothing about speed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from firmware_profiles.demo.processes import Child, Children
from firmware_profiles.demo.setting import DemoPlan, set_stage, start_everybody
from scripts.arm64.debian_root import BOARDS, PYTHON, Board, DebianRoot

WORK = Path("build/arm64").absolute()
LACKING = 3
ROUND_S_MAX = 600
LOOK_S = 5


def main() -> int:
    """Rehearse the boards named on the command line, or all."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    boards = [BOARDS[name] for name in sys.argv[1:] or BOARDS]
    if lack := _lack(boards):
        print(lack, file=sys.stderr)
        return LACKING
    wheel = build_wheel()
    for board in boards:
        print(f"== {board.arch}", flush=True)
        root = DebianRoot(board, WORK)
        root.make()
        install(root, wheel)
        rehearse(root)
    print(f"{len(boards)} passed, 0 failed")
    return 0


def _lack(boards: list[Board]) -> str:
    missing = [one for one in ("debootstrap", *(board.qemu for board in boards)) if shutil.which(one) is None]
    if missing:
        return f"missing: {', '.join(missing)}; run: sudo apt-get install -y debootstrap qemu-user-static"
    return "" if os.geteuid() == 0 else "chroot needs root; run: sudo make test-arm64"


def build_wheel() -> Path:
    """Our wheel, as it would be published."""
    dist = WORK / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), "."]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = dist.glob("*.whl")
    return wheel


def install(root: DebianRoot, wheel: Path) -> None:
    """Fetch wheels here, install them there without a network."""
    board, wheels = root.board, WORK / f"wheels-{root.board.arch}"
    if not wheels.exists():
        platforms = [word for one in board.platforms for word in ("--platform", one)]
        what = (
            ["--no-deps", *board.download]
            if board.download
            else [f"edge-client[{board.extra}] @ file://{wheel}"]
        )
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--only-binary=:all:",
            "--python-version",
            PYTHON,
        ]
        try:
            subprocess.run([*fetch, *platforms, "-d", str(wheels), *what], check=True)
        except subprocess.CalledProcessError:
            shutil.rmtree(wheels, ignore_errors=True)
            raise
    inside = root.path / "wheels"
    shutil.rmtree(inside, ignore_errors=True)
    shutil.copytree(wheels, inside)
    shutil.copy(wheel, inside)
    pip = ["-m", "pip", "install", "-q", "--break-system-packages", "--root-user-action=ignore", "--no-index",
           "--no-compile", "--find-links", "/wheels"]  # fmt: skip
    root.python(*pip, f"edge-client[{board.extra}]")
    root.python(*pip, "--force-reinstall", "--no-deps", f"/wheels/{wheel.name}")
    print("installed:", root.python("-m", "edge_client.cli", "--version").strip(), flush=True)


def rehearse(root: DebianRoot) -> None:
    """A chain of one validator on the host; the emulated board takes part until its update is final."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        stage = set_stage(DemoPlan(folder, 1, 1, 1, seed=1, mqtt="auto"))
        state = root.path / "state"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copy(folder / "data" / "device-0.npz", root.path / "data.npz")
        children = Children()
        try:
            start_everybody(replace(stage, device_folders=()), children)
            client(root, "init", "--join", stage.join.text(), "--state", "/state", "--data", "npz:/data.npz")
            print(client(root, "doctor", "--state", "/state"), flush=True)
            command = root.command("-m", "edge_client.cli", "run", "--state", "/state")
            board = children.add("board", command, WORK / f"run-{root.board.arch}.log")
            print(f"included after {_until_included(root, children):.0f} s", flush=True)
            board.signal(signal.SIGTERM)
            _ended(board, children)
            print(client(root, "verify", "--state", "/state"), flush=True)
        finally:
            children.stop()
            stage.server.stop()


def client(root: DebianRoot, *arguments: str, tolerated: tuple[int, ...] = (0,)) -> str:
    """Run `edge-client` on the emulated board."""
    command = root.command("-m", "edge_client.cli", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode not in tolerated:
        raise SystemExit(
            f"edge-client {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout.strip()


def _until_included(root: DebianRoot, children: Children) -> float:
    began_s = time.monotonic()
    while time.monotonic() - began_s < ROUND_S_MAX:
        children.check()
        facts: dict[str, Any] = json.loads(client(root, "status", "--state", "/state", "--json"))
        if any(one["fate"] == "included" for one in facts["updates"]):
            return time.monotonic() - began_s
        time.sleep(LOOK_S)
    raise SystemExit(f"no update was final after {ROUND_S_MAX} s; see {WORK}/run-{root.board.arch}.log")


def _ended(board: Child, children: Children) -> None:
    assert board.process is not None
    code = board.process.wait(60)
    children.members.remove(board)
    if code:
        raise SystemExit(f"the agent ended with {code} after SIGTERM; see {board.log_file}")


if __name__ == "__main__":
    sys.exit(main())
