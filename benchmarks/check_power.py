"""`make check-power`: cuts the power of a recorded device and a recorded validator at every write (ADR 0013).

`make check-power ARGS="--quick"` tries a part. Needs strace; without it, exit code 3 and how to get it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from benchmarks.figures import Value, report
from tests.power.check import FIRST, check
from tests.power.judging import QUICK, Depth, Verdict
from tests.power.mistakes import DEVICE, MISTAKES, VALIDATOR
from tests.power.tracing import why_not
from tests.power.words import points_by_round

TARGET = "check-power"
LACKS_SOMETHING = 3
MISTAKES_MAX = 100
MEASURED_ROUND, MEASURED_BLOCK = 2, 6
"""The round with a pause and a restart; the first block after the validator's restart, when bodies go."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all of it; returns 0 when every figure holds, 1 when not, 3 when nothing can be recorded here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every fourth moment, few fates, two mistakes")
    options = parser.parse_args(arguments)
    reason = why_not()
    if reason is not None:
        print(f"{TARGET}: {reason}", file=sys.stderr)
        return LACKS_SOMETHING
    depth = QUICK if options.quick else Depth()
    recordings, verdicts = {}, {}
    for name in (DEVICE, VALIDATOR):
        recordings[name], verdicts[name] = check(name, depth)
        show(name, verdicts[name])
    points = {name: points_by_round(recording) for name, recording in recordings.items()}
    figures: dict[str, Value] = {
        "power cut: write points of one device round": points[DEVICE][MEASURED_ROUND],
        "power cut: write points of one validator block": points[VALIDATOR][MEASURED_BLOCK],
        **measured(verdicts),
    }
    figures["power cut: planted mistakes not caught"] = missed(1 if options.quick else MISTAKES_MAX)
    done = report(TARGET, figures, quick=options.quick)
    return 0 if all(figure.holds for figure in done) else 1


def show(name: str, verdict: Verdict) -> None:
    """What was tried and what went wrong, in text."""
    print(
        f"{name}: {verdict.points} operations, {verdict.cuts} cuts, {verdict.folders} folders opened,"
        f" {verdict.finished} lived on in, {len(verdict.failures)} failures"
    )
    for failure in verdict.failures:
        print(f"  {failure}", file=sys.stderr)


def measured(verdicts: Mapping[str, Verdict]) -> dict[str, Value]:
    """Sums over both programs."""
    every = verdicts.values()
    return {
        "power cut: cuts tried": sum(one.cuts for one in every),
        "power cut: torn stores": sum(len(one.torn) + len(one.stuck) for one in every),
        "power cut: acknowledged things lost": sum(len(one.lost) for one in every),
        "power cut: second signatures": sum(len(one.signed_twice) for one in every),
    }


def missed(each_max: int) -> int:
    """Record mistakes, so many in each program; how many no cut shows."""
    count = 0
    for name, mistakes in MISTAKES.items():
        for mistake in list(mistakes)[:each_max]:
            _, verdict = check(name, FIRST, mistake)
            how = verdict.failures[0] if verdict.failures else "NOT CAUGHT"
            print(f"mistake in the {name}: {mistake.replace('_', ' ')}: {how[:200]}")
            count += not verdict.failures
    return count


if __name__ == "__main__":
    sys.exit(main())
