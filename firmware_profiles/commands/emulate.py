"""`edge-fleet emulate`: a fleet of real agents on a clock that goes faster."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_profiles.commands.choosing import Chosen, chosen
from firmware_profiles.commands.failing import fail
from firmware_profiles.commands.keeping import command_line, keep, need_plots, png_option, ready_folder
from firmware_profiles.commands.stopping import stoppable

if TYPE_CHECKING:
    from firmware_profiles.emulate.plan import Emulation
    from firmware_profiles.report.record import RunRecord

DEVICES_MAX = 2000
SPEED_MAX = 1000
CONNECT_S_MAX = 5.0
EPILOG = """\b
Examples:
  edge-fleet emulate home --devices 100                     five hours in five minutes
  edge-fleet emulate ./mine.toml --speed 30 --rounds 40     slower, longer
\b
One fleet on several machines, which share an MQTT server (docs/FLEETS.md):
  edge-fleet emulate home --mqtt mqtts://host --shard 1/2 --at 1790000000
  edge-fleet emulate home --mqtt mqtts://host --shard 2/2 --at 1790000000
"""


@click.command(epilog=EPILOG, short_help="Rehearse a fleet with real MQTT, disks and training.")
@click.argument("fleet", metavar="NAME|FILE.toml")
@click.option("--devices", type=click.IntRange(1), help="The same mix with so many devices.")
@click.option("--speed", default=60.0, show_default=True, type=click.FloatRange(1, SPEED_MAX),
              help="How much faster than the wall clock time goes.")  # fmt: skip
@click.option("--rounds", default=20, show_default=True, type=click.IntRange(1), help="Rounds to close.")
@click.option("--seed", type=int, help="Of everything random; left out: the fleet file's.")
@click.option("--sleep", default="auto", show_default=True, type=click.Choice(("auto", "always", "never")),
              help="When boards give up their link between rounds, as `mqtt.sleep` of a device.")  # fmt: skip
@click.option("--mqtt", multiple=True, metavar="URL", help="A running MQTT server; left out: one is started.")
@click.option("--shard", default="1/1", show_default=True, metavar="I/N",
              help="Run part I of N; the others run elsewhere. Part 1 has the validators.")  # fmt: skip
@click.option("--at", "at_s", type=int, metavar="UNIX_S",
              help="When the clocks of all parts start; left out: when all is ready.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, file_okay=False),
              help="New folder for report, states and logs; left out: ./FLEET-SEED-emulated.")  # fmt: skip
@png_option
@click.option("--json", "as_json", is_flag=True, help="Print report.json instead of a summary.")
def emulate(fleet: str, png: Path | None, as_json: bool, **options: object) -> None:
    """Run the real agents of a fleet as tasks in a few processes, each with its own key, SQLite state folder
    and MQTT client, LiteRT training for all, four validator processes and Mosquitto; boards, batteries and
    presence follow the fleet's file on a clock that goes faster. Ctrl-C leaves nothing running.
    """
    from edge_client.runtime.mqtt_options import ServerUrlError
    from firmware_profiles.profiles.tables import ProfileError

    need_plots()
    try:
        plan = _plan(fleet, chosen(fleet, options), options)
    except (ProfileError, ServerUrlError, ValueError) as error:
        fail(str(error))
    from broker.mqtt_server.process import MqttServerError
    from firmware_profiles.emulate.run import EmulationError, EmulationRun

    ready_folder(plan.folder.parent)
    _need_a_server(plan)
    run = EmulationRun(plan)
    try:
        with stoppable(lambda: "nothing is left running"):
            record = replace(_watched(run), command=command_line())
    except FileExistsError:
        fail(f"{plan.folder} is there already; --out takes a new folder")
    except MqttServerError as error:
        fail(str(error))
    except EmulationError as error:
        click.echo(f"edge-fleet: {error}", err=True)
        sys.exit(1)
    keep(record, plan.folder, png, record.to_json() if as_json else _text(record, run.memory_peak_mib))


def _plan(name: str, of: Chosen, options: dict[str, object]) -> Emulation:
    from edge_client.core.bursts import Sleep
    from edge_client.runtime.mqtt_options import parse_server
    from firmware_profiles.emulate.plan import Emulation, Shard

    number, _, count = str(options["shard"]).partition("/")
    if not number.isdecimal() or not count.isdecimal():
        raise ValueError(f"--shard {options['shard']}: write the part and how many there are, like 2/5")
    shard = Shard(int(number), int(count))
    if len(shard.numbers(of.fleet.devices)) > DEVICES_MAX:
        raise ValueError(
            f"{of.fleet.devices} devices are too many for one machine: at most {DEVICES_MAX}, or --shard"
        )
    urls: tuple[str, ...] = tuple(options["mqtt"])  # type: ignore[arg-type]
    if shard.count > 1 and (not urls or options["at_s"] is None):
        raise ValueError("parts on several machines need --mqtt and --at, the same for all")
    if options["at_s"] is not None and int(str(options["at_s"])) <= time.time():
        raise ValueError(f"--at {options['at_s']} is past; take a moment to come, for all parts the same")
    folder = options["out"] or Path(f"{Path(name).stem}-{of.seed}-emulated")
    return Emulation(
        fleet=of.fleet,
        parts=of.parts,
        folder=Path(str(folder)).resolve(),
        seed=of.seed,
        speed=float(str(options["speed"])),
        rounds=int(str(options["rounds"])),
        began_ms=None if options["at_s"] is None else int(str(options["at_s"])) * 1000,
        servers=tuple(parse_server(url) for url in urls),
        shard=shard,
        sleep=Sleep(str(options["sleep"])),
    )


def _need_a_server(plan: Emulation) -> None:
    """End with a mistake if none of the servers named takes connections: a fleet would wait in vain."""
    import socket

    failures = []
    for one in plan.servers:
        try:
            socket.create_connection((one.host, one.port), CONNECT_S_MAX).close()
        except OSError as error:
            failures.append(f"{one} ({error.strerror or error})")
    if failures and len(failures) == len(plan.servers):
        fail(f"no MQTT server answers at {', '.join(failures)}; start one there, or leave out --mqtt")


def _watched(run: object) -> RunRecord:
    """With progress and time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from firmware_profiles.emulate.run import EmulationRun
    from firmware_profiles.emulate.run import Progress as Facts

    assert isinstance(run, EmulationRun)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("starting", total=run.plan.rounds)

        def show(facts: Facts) -> None:
            accuracy = "" if facts.accuracy is None else f", accuracy {facts.accuracy:.3f}"
            text = f"{facts.running} agents, {facts.memory_mib} MiB, {facts.updates} updates{accuracy}"
            progress.update(task, completed=facts.round, description=text)

        run.watch = show
        return run.run()


def _text(record: RunRecord, memory_mib: int) -> str:
    """A few lines for the terminal."""
    included = sum(one.included for one in record.groups)
    trained = sum(one.trained for one in record.groups)
    accuracy = "" if record.final_accuracy is None else f", accuracy {record.final_accuracy:.3f}"
    return f"""{record.title}
{len(record.rounds)} rounds closed{accuracy}; {included:,} updates of {trained:,} devices are included
processes took {memory_mib:,} MiB together (PSS), and {record.wall_s:.0f} s"""
