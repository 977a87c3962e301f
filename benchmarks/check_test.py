"""`make check-test`: how long the tests take, in the two parts that the first-light issue bounds."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.figures import Value, report

TARGET = "check-test"
FAST = ("-n", "2", "-m", "not slow and not e2e")
REST = (("-n", "2", "-m", "slow and not e2e"), ("-m", "e2e"))


def seconds(arguments: tuple[str, ...]) -> Value:
    """Wall time of one pytest run, None when it does not pass."""
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-m", "pytest", "--quiet", *arguments], check=False)
    return time.monotonic() - start if result.returncode == 0 else None


def main() -> int:
    """Run all tests once; returns 0 when every figure holds, else 1."""
    fast, *rest = [seconds(arguments) for arguments in (FAST, *REST)]
    passed = [part for part in rest if part is not None]
    measured = {
        "unit + property tests": fast,
        "the rest of the tests": sum(passed) if len(passed) == len(rest) else None,
    }
    return 0 if all(figure.holds for figure in report(TARGET, measured)) else 1


if __name__ == "__main__":
    sys.exit(main())
