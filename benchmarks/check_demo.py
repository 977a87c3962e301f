"""`make check-demo`: runs the demo and holds what it reports against the bounds of the first-light issue."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import BUILD_DIR, Value, report

TARGET = "check-demo"


def measured(exit_code: int, facts: Mapping[str, Any]) -> dict[str, Value]:
    """Figures of one demo run: `facts` is what `edge-fleet demo --json` wrote, empty if it wrote nothing."""
    accuracy = facts.get("accuracy") or [None]
    return {
        "exit code": exit_code,
        "accuracy of the last round on the held-out part": accuracy[-1],
        "wall time after installation": facts.get("wall_s"),
        "validator processes": facts.get("validators"),
        "device-agent processes": facts.get("devices"),
        "heads agree": facts.get("heads_agree"),
        "device agent peak (VmHWM)": facts.get("device_peak_rss_mb"),
    }


def main() -> int:
    """Run the demo once; returns 0 when every figure holds, else 1."""
    path = BUILD_DIR / "demo.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    program = Path(sys.executable).with_name("edge-fleet")
    exit_code = subprocess.run([program, "demo", "--json", path], check=False).returncode
    facts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return 0 if all(figure.holds for figure in report(TARGET, measured(exit_code, facts))) else 1


if __name__ == "__main__":
    sys.exit(main())
