"""`make check-test`: how long the tests take, in the two parts that the first-light issue bounds."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.figures import Value, report

TARGET = "check-test"
FAST, *REST = ("test-fast", "test-rest", "test-e2e")


def seconds(target: str) -> Value:
    """Wall time of one part as `make test` runs it, None when it does not pass."""
    start = time.monotonic()
    result = subprocess.run(["make", target], check=False)  # noqa: S607 - the make that started us
    return time.monotonic() - start if result.returncode == 0 else None


def main() -> int:
    """Run all tests once; returns 0 when every figure holds, else 1."""
    fast, *rest = [seconds(target) for target in (FAST, *REST)]
    passed = [part for part in rest if part is not None]
    measured = {
        "unit + property tests": fast,
        "the rest of the tests": sum(passed) if len(passed) == len(rest) else None,
    }
    return 0 if all(figure.holds for figure in report(TARGET, measured)) else 1


if __name__ == "__main__":
    sys.exit(main())
