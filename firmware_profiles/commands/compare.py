"""`edge-fleet compare`: what owners' settings cost and bring."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_profiles.commands.failing import fail
from firmware_profiles.commands.keeping import (
    cannot_write,
    command_line,
    drawing,
    need_plots,
    png_option,
    ready_folder,
)
from firmware_profiles.commands.stopping import stoppable
from firmware_profiles.profiles.fleet import DEVICES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from firmware_profiles.compare.cases import Case
    from firmware_profiles.compare.facts import ComparedFacts
    from firmware_profiles.compare.outcome import Outcome
    from firmware_profiles.compare.policies import Policy
    from firmware_profiles.compare.results import Results
    from firmware_profiles.compare.study import Study

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for; see the options."""

    fleet: str
    devices: int
    hours: float
    seeds: int
    moved_seeds: int
    processes: int | None


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
              help="Runs with battery, sun, drop-out or rate at 70 % and 130 %, if it has them.")  # fmt: skip
@click.option("--processes", type=click.IntRange(1, 256), help="Runs at once; left out: one for each core.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder of results, taken up if it is there; left out: ./compare-FLEET.")  # fmt: skip
@png_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def compare(fleet: str, names: str, out: Path | None, png: Path | None, **options: object) -> None:
    """Rehearse a fleet under several settings of its owners, with the same software and the same luck, and
    say how long each takes to the same accuracy, and for how many joules. Every run that ended is kept; the
    folder gets compare.html, a page with plots, and its facts, compare.json.
    """
    from firmware_profiles.catalogue import read_catalogue
    from firmware_profiles.compare.cases import cases, parameters
    from firmware_profiles.compare.results import Results, ResultsError
    from firmware_profiles.compare.study import Study
    from firmware_profiles.profiles.tables import ProfileError

    need_plots()
    asked = Asked(fleet, *(options[one.name] for one in fields(Asked) if one.name != "fleet"))  # type: ignore[arg-type]
    policies = _policies(names)
    folder = out or Path(f"compare-{Path(fleet).stem}")
    try:
        study = Study.of(read_catalogue(), asked.fleet, asked.devices, asked.hours)
    except (ProfileError, ValueError) as error:
        fail(str(error))
    wanted = cases(policies, asked.seeds, asked.moved_seeds, parameters(study.fleet))
    ready_folder(folder)
    with stoppable(lambda: f"runs that ended are kept in {folder}; the same command goes on there"):
        try:
            results = Results(folder, study.described(fleet))
            _rehearse(study, results, wanted, asked.processes or 0)
        except ResultsError as error:
            fail(str(error))
        except OSError as error:
            cannot_write(folder, error)
        facts = _facts(study, asked, results.of(wanted), command_line())
        _say(facts, as_json=bool(options["as_json"]))
        _keep(facts, folder, png)


def _facts(study: Study, asked: Asked, outcomes: Sequence[Outcome], command: str) -> ComparedFacts:
    from firmware_profiles.compare.facts import Circumstances, ComparedFacts
    from firmware_profiles.report.software import software

    circumstances = Circumstances(
        fleet=asked.fleet,
        title=study.fleet.title,
        devices=study.fleet.devices,
        hours=asked.hours,
        seeds=asked.seeds,
        moved_seeds=asked.moved_seeds,
        command=command,
        software=software(),
    )
    try:
        return ComparedFacts.of(circumstances, outcomes)
    except ValueError as error:
        click.echo(f"edge-fleet: {error}; give it more --hours or --devices", err=True)
        sys.exit(1)


def _say(facts: ComparedFacts, *, as_json: bool) -> None:
    from firmware_profiles.compare import table

    lines = [json.dumps(asdict(facts.comparison), indent=1)] if as_json else table.lines(facts.comparison)
    click.echo("\n".join(lines))


def _keep(facts: ComparedFacts, folder: Path, png: Path | None) -> None:
    from firmware_profiles.compare.files import write_comparison
    from firmware_profiles.compare.page import charts_of_comparison
    from firmware_profiles.report.files import write_plots

    charts = charts_of_comparison(facts)
    try:
        with drawing(len(charts)) as picture:
            page = write_comparison(facts, folder, picture)
        if png is not None:
            write_plots(charts, png)
    except OSError as error:
        cannot_write(folder, error)
    click.echo(f"look at it: {page}", err=True)


def _policies(names: str) -> tuple[Policy, ...]:
    from firmware_profiles.compare.policies import Policy

    known = [one.value for one in Policy]
    asked = list(dict.fromkeys(name.strip() for name in names.split(",")))
    strange = [name for name in asked if name not in known]
    if strange:
        fail(f"--policy: there is no policy '{strange[0]}'; there are {', '.join(known)}")
    return tuple(Policy(name) for name in asked)


def _rehearse(study: Study, results: Results, wanted: Sequence[Case], processes: int) -> None:
    """What is missing, with progress."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from firmware_profiles.compare.run import rehearse_all

    missing = results.missing(wanted)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("runs", total=len(wanted), completed=len(wanted) - len(missing))

        def done(one: Outcome) -> None:
            results.add(one)
            progress.update(task, advance=1, description=one.case.name)

        rehearse_all(study, missing, done, processes)
