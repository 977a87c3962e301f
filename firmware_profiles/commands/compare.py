"""`edge-fleet compare`: what owners' settings cost and bring."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_profiles.commands.failing import fail
from firmware_profiles.profiles.fleet import DEVICES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_profiles.compare.cases import Case
    from firmware_profiles.compare.policies import Policy
    from firmware_profiles.compare.results import Results
    from firmware_profiles.compare.run import Study

POLICIES = "naive,android,ours"
HOURS_MAX = 24 * 31
SEEDS_MAX = 1000
EPILOG = """\b
Policies (docs/FLEETS.md says exactly what they are):
  naive      always connected, trains whenever it is asked
  ungated    the same, but sleeps between rounds as ours
  android    charging, unmetered and idle
  ours       the settings of the fleet file

\b
Examples:
  edge-fleet compare farm-solar                            five seeds, three policies
  edge-fleet compare home --moved-seeds 1                  and each parameter moved by 30 % both ways
  edge-fleet compare ./mine.toml --policy naive,ours --seeds 1 --devices 100
"""


@click.command(epilog=EPILOG, short_help="Compare owners' settings on a fleet.")
@click.argument("fleet", metavar="NAME|FILE.toml")
@click.option("--policy", "names", default=POLICIES, show_default=True, help="Which ones, by comma.")
@click.option("--devices", default=200, show_default=True, type=click.IntRange(1, DEVICES_MAX),
              help="The same mix with so many devices; a round asks the same share of them.")  # fmt: skip
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1, HOURS_MAX),
              help="Virtual time of each run.")  # fmt: skip
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1, SEEDS_MAX),
              help="Runs of each policy with the fleet as given.")  # fmt: skip
@click.option("--moved-seeds", default=0, show_default=True, type=click.IntRange(0, SEEDS_MAX),
              help="Runs with battery, sun, drop-out or rate moved, to 70 % and 130 %.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), help="Runs at once; left out: one for each core.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of results; left out: ./compare-FLEET. Started again, it goes on.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def compare(fleet: str, names: str, out: Path | None, as_json: bool, **numbers: float | None) -> None:
    """Rehearse a fleet under several settings of its owners, with the same software and the same luck, and
    say how long each takes to the same accuracy, and for how many joules. Every run that ended is kept.
    """
    from firmware_profiles.compare import scores, table
    from firmware_profiles.compare.cases import cases
    from firmware_profiles.compare.results import Results, ResultsError
    from firmware_profiles.profiles.tables import ProfileError

    policies = _policies(names)
    given = {name: value or 0 for name, value in numbers.items()}
    wanted = cases(policies, int(given["seeds"]), int(given["moved_seeds"]))
    try:
        study = _study(fleet, int(given["devices"]), given["hours"])
        folder = out or Path(f"compare-{Path(fleet).stem}")
        results = Results(folder, f"{fleet}, {study.fleet.devices} devices, {given['hours']:g} h")
    except (ProfileError, ResultsError, ValueError, OSError) as error:
        fail(str(error))
    _rehearse(study, results, wanted, int(given["processes"]))
    found = scores.compare(results.of(wanted))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
    else:
        click.echo("\n".join(table.lines(found)))


def _policies(names: str) -> tuple[Policy, ...]:
    from firmware_profiles.compare.policies import Policy

    known = [one.value for one in Policy]
    asked = list(dict.fromkeys(name.strip() for name in names.split(",")))
    strange = [name for name in asked if name not in known]
    if strange:
        fail(f"--policy: there is no policy '{strange[0]}'; there are {', '.join(known)}")
    return tuple(Policy(name) for name in asked)


def _study(name: str, devices: int, hours: float) -> Study:
    from firmware_profiles.catalogue import read_catalogue
    from firmware_profiles.compare.cases import smaller
    from firmware_profiles.compare.run import Study
    from firmware_profiles.twin.members import Parts

    catalogue = read_catalogue()
    parts = Parts(catalogue.boards, catalogue.links, catalogue.batteries)
    return Study(smaller(catalogue.fleet(name), devices), parts, round(hours * 3_600_000))


def _rehearse(study: Study, results: Results, wanted: Sequence[Case], processes: int) -> None:
    """What is missing, with progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from firmware_profiles.compare.outcome import Outcome
    from firmware_profiles.compare.run import rehearse_all

    missing = results.missing(wanted)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("runs", total=len(wanted), completed=len(wanted) - len(missing))

        def done(one: Outcome) -> None:
            results.add(one)
            progress.update(task, advance=1, description=one.case.name)

        rehearse_all(study, missing, done, processes)
