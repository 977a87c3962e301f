"""`edge-fleet simulate`: a fleet in virtual time, from a seed."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_profiles.commands.choosing import Chosen, chosen
from firmware_profiles.commands.failing import fail
from firmware_profiles.commands.keeping import command_line, keep, need_plots, png_option, ready_folder
from firmware_profiles.commands.stopping import stoppable
from firmware_profiles.profiles.fleet import DEVICES_MAX

if TYPE_CHECKING:
    from firmware_profiles.report.record import RunRecord
    from firmware_profiles.simulate.run import Plan

HOURS_MAX = 24 * 366
TRAININGS = ("real", "replay", "none")
EPILOG = """\b
Examples:
  edge-fleet simulate home                                  a day of the shipped fleet
  edge-fleet simulate farm-solar --devices 10000            the same mix, larger
  edge-fleet simulate ./mine.toml --hours 72 --out run/     three days of your own; report in run/
  edge-fleet simulate home --seed 7 --from 11564000 2>log   a crash said seed 7 and this time: look closely

\b
What boards learn (--train):
  real     each trains with LiteRT; the same seed gives the same chain on one type of processor
  replay   each sends an update that was really trained on its share of the data, from a model of that age;
           the same chain on every machine
  none     small random updates: the fastest, says nothing about accuracy
"""


@click.command(epilog=EPILOG, short_help="Rehearse a fleet in virtual time, from a seed.")
@click.argument("fleet", metavar="NAME|FILE.toml")
@click.option("--devices", type=click.IntRange(1, DEVICES_MAX), help="The same mix with so many devices.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.01, HOURS_MAX),
              help="Virtual time.")  # fmt: skip
@click.option("--seed", type=int, help="Of everything random; left out: the fleet file's.")
@click.option("--train", default="real", show_default=True, type=click.Choice(TRAININGS))
@click.option("--sleep", default="auto", show_default=True, type=click.Choice(("auto", "always", "never")),
              help="When boards give up their link between rounds, as `mqtt.sleep` of a device.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for report.json and the page; left out: ./FLEET-SEED.")  # fmt: skip
@click.option("--from", "from_ms", type=int, metavar="MS",
              help="Say every event and effect from this virtual time on (stderr).")  # fmt: skip
@png_option
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of a summary.")
def simulate(
    fleet: str,
    out: Path | None,
    as_json: bool,
    from_ms: int | None,
    **options: object,
) -> None:
    """Run the real agents, validators and light clients of a fleet in virtual time, on boards, batteries and
    links from its file. Nothing ticks, time jumps to what is due next. Same seed, same chain.
    """
    from firmware_profiles.profiles.tables import ProfileError

    need_plots()
    try:
        of = chosen(fleet, options)
    except (ProfileError, ValueError) as error:
        fail(str(error))
    plan = _plan(of, options)
    folder = out or Path(f"{Path(fleet).stem}-{plan.seed}")
    ready_folder(folder)
    with stoppable(lambda: f"nothing of this rehearsal is kept; --seed {plan.seed} is the same one again"):
        record = replace(_run(plan, from_ms), command=command_line())
        png = options["png"]
        keep(
            record,
            folder,
            png if isinstance(png, Path) else None,
            record.to_json() if as_json else summary_text(record),
        )


def _plan(of: Chosen, options: dict[str, object]) -> Plan:
    from edge_client.core.bursts import Sleep
    from firmware_profiles.lesson.bank import shipped_bank
    from firmware_profiles.simulate.run import Plan, Training

    training = Training(options["train"])
    return Plan(
        of.fleet,
        of.parts,
        round(float(str(options["hours"])) * 3_600_000),
        of.seed,
        training,
        shipped_bank() if training is Training.REPLAY else None,
        Sleep(options["sleep"]),
    )


def _run(plan: Plan, from_ms: int | None) -> RunRecord:
    """With progress; a crash says from where it can be looked at."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from firmware_profiles.simulate.run import Rehearsal

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    rehearsal = Rehearsal(plan)
    if from_ms is not None:
        rehearsal.say_from(from_ms, lambda line: click.echo(line, err=True))
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(plan.fleet.title, total=1.0)
        try:
            return rehearsal.run(lambda share: progress.update(task, completed=share))
        except Exception:
            at_ms = rehearsal.passed_ms
            click.echo(f"crashed: seed {plan.seed}, at {at_ms} ms; see it again: --from {at_ms}", err=True)
            raise


def summary_text(record: RunRecord) -> str:
    """A few lines for the terminal."""
    groups = record.groups
    accuracy = "" if record.final_accuracy is None else f", accuracy {record.final_accuracy:.3f}"
    included, trained = sum(one.included for one in groups), sum(one.trained for one in groups)
    training_j, radio_j = sum(one.joules_training for one in groups), sum(one.joules_radio for one in groups)
    floors, empty = sum(one.floor_breaks for one in groups), sum(one.empty_batteries for one in groups)
    return f"""{record.title}
{len(record.rounds)} rounds closed{accuracy}; {included:,} updates of {trained:,} devices are included
{training_j:,.0f} J of training, {radio_j:,.0f} J of radio; {record.joules_board:,.0f} J with idling
batteries: {floors} times below an owner's floor in training, {empty} times empty
{record.heads_verified:,} heads verified by devices; block {record.final_height}, {record.final_hash[:12]}
took {record.wall_s:.0f} s"""
