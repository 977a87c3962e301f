"""`make test-arm64`: what an owner of an ARM board does, on this machine, emulated by qemu-user.

For a 64-bit Debian (LiteRT) and a 32-bit one (tflite-runtime): install from wheels, `init`, `doctor`, rounds
of real training with a validator and an MQTT server on the host, `verify`, and the model out: `export`,
`verify-proof`, `predict`. It shows that everything loads and computes there; it says nothing about speed.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firmware_profiles.demo.processes import Child, Children
from firmware_profiles.demo.setting import DemoPlan, Stage, set_stage, start_everybody
from scripts.arm64.debian_root import BOARDS, VENV, Board, DebianRoot
from scripts.arm64.wheels import build_wheel, install

WORK = Path("build/arm64").absolute()
MISTAKE = 2
LACKING = 3
ROUND_S_MAX = 600
STOP_S_MAX = 60
LOOK_S = 5
EDGE_CLIENT = f"{VENV}/bin/edge-client"
USERLAND = (
    "import json, platform, struct; from importlib.metadata import version;"
    "print(json.dumps([8 * struct.calcsize('P'), platform.python_version(), version('numpy')]))"
)


@dataclass(frozen=True)
class Outcome:
    """What one board showed: a row of the table that is printed at the end."""

    board: str
    bits: int
    """Of the userland, as its Python says."""
    python: str
    numpy: str
    runtime: str
    """The TFLite runtime that `doctor` found."""
    rounds: int
    """Trained there, and included in a final block."""
    steps: int
    """Of training, in those rounds."""
    verified: int
    """Height up to which `verify` proved the stored chain."""

    def line(self) -> str:
        """The row."""
        return (
            f"{self.board:<6} {self.bits:>4}  {self.python:<8} {self.numpy:<8} {self.runtime:<15}"
            f"{self.rounds:>6} {self.steps:>6} {self.verified:>9}"
        )


HEADING = "board  bits  Python   numpy    runtime        rounds  steps  verified"


def main() -> int:
    """Rehearse the boards named on the command line, or all."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    names = sys.argv[1:] or list(BOARDS)
    if unknown := set(names) - set(BOARDS):
        print(f"no such board: {', '.join(sorted(unknown))}; there are {', '.join(BOARDS)}", file=sys.stderr)
        return MISTAKE
    boards = [BOARDS[name] for name in names]
    if lack := _lack(boards):
        print(lack, file=sys.stderr)
        return LACKING
    wheel = build_wheel(WORK)
    outcomes = []
    for board in boards:
        print(f"== {board.arch}", flush=True)
        root = DebianRoot(board, WORK)
        root.make()
        install(root, wheel)
        outcomes.append(rehearse(root))
    print("\n".join([HEADING, *(one.line() for one in outcomes)]))
    print(f"{len(boards)} passed, 0 failed")
    return 0


def _lack(boards: list[Board]) -> str:
    missing = [one for one in ("debootstrap", *(board.qemu for board in boards)) if shutil.which(one) is None]
    if missing:
        return f"missing: {', '.join(missing)}; run: sudo apt-get install -y debootstrap qemu-user-static"
    return "" if os.geteuid() == 0 else "chroot needs root; run: sudo make test-arm64"


def rehearse(root: DebianRoot) -> Outcome:
    """A chain of one validator on the host; the emulated board takes part until its update is final."""
    bits, python, numpy = json.loads(root.python("-c", USERLAND))
    shutil.rmtree(root.path / "state", ignore_errors=True)
    with _chain() as (stage, children):
        shutil.copy(stage.plan.folder / "data" / "device-0.npz", root.path / "data.npz")
        # --always: the gates would read the load of this host, which may be busy with other things.
        state = ("--state", "/state", "--data", "npz:/data.npz", "--always")
        client(root, "init", "--join", stage.join.text(), *state)
        print(client(root, "doctor", "--state", "/state"), flush=True)
        doctor = json.loads(client(root, "doctor", "--state", "/state", "--json"))
        _take_part(root, children)
        print(client(root, "data", "check", "--state", "/state"), flush=True)
    included = _included(root)
    verified = json.loads(client(root, "verify", "--state", "/state", "--json"))["final_height"]
    _model_out(root, stage.join.chain_id)
    runtime = next(one["detail"] for one in doctor["checks"] if one["check"] == "runtime")
    steps = sum(one["steps"] for one in included)
    return Outcome(root.board.arch, bits, python, numpy, runtime, len(included), steps, verified)


@contextmanager
def _chain() -> Iterator[tuple[Stage, Children]]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # Mosquitto, started as root, reads its files as another user
        stage = set_stage(DemoPlan(Path(name), 1, 1, 1, seed=1, mqtt="auto"))
        children = Children()
        try:
            start_everybody(replace(stage, device_folders=()), children)
            yield stage, children
        finally:
            children.stop()
            stage.server.stop()


def _take_part(root: DebianRoot, children: Children) -> None:
    log = WORK / f"run-{root.board.arch}.log"
    log.unlink(missing_ok=True)
    board = children.add("board", root.command(EDGE_CLIENT, "run", "--state", "/state"), log)
    print(f"included after {_until_included(root, children):.0f} s", flush=True)
    board.signal(signal.SIGTERM)
    _ended(board, children)


def _until_included(root: DebianRoot, children: Children) -> float:
    began_s = time.monotonic()
    while time.monotonic() - began_s < ROUND_S_MAX:
        children.check()
        if _included(root):
            return time.monotonic() - began_s
        time.sleep(LOOK_S)
    why = client(root, "why", "--state", "/state")
    log = WORK / f"run-{root.board.arch}.log"
    raise SystemExit(f"no update was final after {ROUND_S_MAX} s; see {log}\n{why}")


def _included(root: DebianRoot) -> list[dict[str, Any]]:
    facts = json.loads(client(root, "status", "--state", "/state", "--json"))
    return [one for one in facts["updates"] if one["fate"] == "included"]


def _ended(board: Child, children: Children) -> None:
    assert board.process is not None
    code = board.process.wait(STOP_S_MAX)
    children.members.remove(board)
    if code:
        raise SystemExit(f"the agent ended with {code} after SIGTERM; see {board.log_file}")


def _model_out(root: DebianRoot, chain_id: bytes) -> None:
    print(client(root, "export", "--state", "/state", "-o", "/state/model.tflite"))
    proof = ("/state/model.tflite", "/state/model.tflite.proof", "--chain", chain_id.hex())
    print(client(root, "verify-proof", *proof), flush=True)
    answers = client(root, "predict", "/data.npz", "--model", "/state/model.tflite", "--json")
    print(f"predicted: {len(json.loads(answers)['predictions'])} samples", flush=True)


def client(root: DebianRoot, *arguments: str) -> str:
    """Run `edge-client` on the emulated board."""
    command = root.command(EDGE_CLIENT, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise SystemExit(
            f"edge-client {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
