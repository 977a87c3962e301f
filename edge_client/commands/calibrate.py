"""`edge-client calibrate`: what a training step costs on this board."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE, JSON

if TYPE_CHECKING:
    from edge_client.adapters.step_timer import LookAt
    from edge_client.calibrating import Outcome, Task
    from edge_client.config import DeviceConfig
    from edge_client.core.conditions.step_times import Power

SECONDS_MIN, SECONDS_MAX = 1, 600
BUILT_IN = ("mlp", "cnn", "head")
WATTS = click.FloatRange(0, 10_000, min_open=True)


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command as they were given."""

    seconds: float
    model: Path | None
    built_in: str | None
    profile: Path | None
    based_on: str | None
    title: str | None
    watts_idle: float | None
    watts_load: float | None

    def check(self) -> None:
        """A contradiction ends the command."""
        if sum(choice is not None for choice in (self.model, self.built_in, self.profile)) > 1:
            fail("choose one of --model, --built-in and --profile")
        if (self.profile is None) != (self.based_on is None):
            fail("--profile and --based-on go together: `edge-fleet profiles` lists boards to base one on")
        if self.watts_load is None and self.watts_idle is not None:
            fail("--watts-idle needs --watts-load, what the meter shows while the board trains")
        if self.watts_load is not None and self.watts_idle is not None and self.watts_load < self.watts_idle:
            fail("--watts-load is below --watts-idle: a board that trains takes more than an idle one")

    def measure(self, folder: Path, config: DeviceConfig, look: LookAt) -> list[Outcome]:
        """What was asked for; see `calibrating` for what it raises."""
        from edge_client.board_profile import Board, profile_toml
        from edge_client.calibrating import calibrate, calibrate_built_in
        from edge_client.core.conditions.step_times import Power
        from edge_client.runtime.files import replace

        typed = Power(self.watts_idle, self.watts_load)
        if self.profile is None:
            return [calibrate(self._task(folder, config), look, typed, _progress)]
        board = Board(self.title or self.profile.stem, self.based_on or "", f"{date.today()}")  # noqa: DTZ011
        profile_toml(board, {})
        outcomes = calibrate_built_in(self.seconds, look, typed, _progress)
        replace(self.profile, profile_toml(board, outcomes).encode())
        return list(outcomes.values())

    def _task(self, folder: Path, config: DeviceConfig) -> Task:
        from edge_client.calibrating import Task, built_in_graph, current_graph, graph_of

        threads = config.training.threads
        if self.built_in is not None:
            return Task(self.built_in, built_in_graph(self.built_in), threads, self.seconds)
        if self.model is not None:
            return Task(self.model.name, graph_of(self.model), threads, self.seconds)
        return Task("the chain's model", current_graph(folder, config), threads, self.seconds)

    @property
    def stored(self) -> bool:
        """Whether the result is about the work this device does."""
        return self.model is None and self.built_in is None and self.profile is None


@click.command(short_help="Measure what a training step costs on this board.")
@DEVICE
@click.option(
    "--seconds",
    type=click.FloatRange(SECONDS_MIN, SECONDS_MAX),
    default=30,
    show_default=True,
    help="About how long.",
)
@click.option(
    "--model",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A training graph or any .tflite model instead of the chain's; nothing is stored.",
)
@click.option("--built-in", type=click.Choice(BUILT_IN), help="Another model; nothing is stored.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Measure all models of our own with one thread and write a board profile for `edge-fleet`.",
)
@click.option("--based-on", metavar="BOARD", help="The shipped profile that has what is not measured.")
@click.option("--title", help="What the profile is called; the name of its file unless given.")
@click.option("--watts-idle", type=WATTS, help="What a wall meter shows while the board does nothing.")
@click.option("--watts-load", type=WATTS, help="What it shows while the board trains.")
@JSON
def calibrate(folder: Path, *, as_json: bool, **given: object) -> None:
    """Train on noise and say how long a step takes and, with a meter, how much energy; the device's
    predictions begin from it. Uses the threads of the configuration and the priority of the service.

    A meter is an INA219 or INA3221, the board's battery while nothing charges it, or a wall meter that you
    read yourself.
    """
    import json
    from dataclasses import asdict

    from edge_client.calibrating import store
    from edge_client.runtime.clock import SystemClock

    choices = Choices(**given)  # type: ignore[arg-type]
    choices.check()
    found = _measured(folder, choices)
    if choices.stored:
        try:
            store(folder, found[0], SystemClock().now_ms())
        except OSError as error:
            fail(f"cannot write into {folder}: {error.strerror}")
    if as_json:
        facts = [{**asdict(one), **_energies(one), "stored": choices.stored} for one in found]
        click.echo(json.dumps(facts if choices.profile else facts[0], indent=1))
        return
    for one in found:
        _show(one)
    if choices.profile is not None:
        click.echo(
            f"{choices.profile}: written; look at it with edge-fleet profiles --board {choices.profile}"
        )


def _energies(found: Outcome) -> dict[str, float | None]:
    return {"mj_per_step": found.mj_per_step, "above_idle_mj": found.above_idle_mj}


def _measured(folder: Path, choices: Choices) -> list[Outcome]:
    """Every mistake of the user or of the machine ends the command."""
    from edge_client.adapters.conditions.board import Board
    from edge_client.board_profile import ProfileNameError
    from edge_client.calibrating import CannotCalibrateError, be_nice
    from edge_client.config import read_config
    from edge_client.core.conditions.readings import Unknown
    from edge_client.litert.graph import RuntimeMissingError
    from edge_client.litert.ir import ModelError
    from edge_client.runtime.clock import SystemClock
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    board, clock = Board(folder), SystemClock()
    try:
        config = read_config(folder)
        _refuse_while_it_trains(folder)
        be_nice()
        return choices.measure(folder, config, lambda: board.look(clock.now_ms(), Unknown("not counted")))
    except (
        CannotCalibrateError,
        ProfileNameError,
        RuntimeMissingError,
        SettingsError,
        DatabaseError,
    ) as error:
        fail(str(error))
    except ModelError as error:
        fail(f"{choices.model or 'the model'}: {error}")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


def _refuse_while_it_trains(folder: Path) -> None:
    from edge_client.adapters.status_file import read_status_file
    from edge_client.runtime.lock import is_running

    if is_running(folder) and read_status_file(folder).get("phase") == "training":
        fail(f"the device trains right now; first: edge-client pause 15m --state {folder}")


def _progress(left_s: float) -> None:
    """On one line of a terminal, and only there."""
    if sys.stderr.isatty():
        click.echo(f"\r{left_s:4.0f} s left\r", err=True, nl=False)


def _show(found: Outcome) -> None:
    times = found.times
    click.echo(
        f"{found.model}: {found.parameters:,} parameters, {found.batch} samples a step,"
        f" threads {found.threads}, nice {found.nice}"
    )
    click.echo(
        f"{times.median_ms:.3g} ms a step (a tenth below {times.p10_ms:.3g}, a tenth above"
        f" {times.p90_ms:.3g}; {times.steps:,} steps)"
    )
    click.echo(_energy(found.power, found.mj_per_step, found.above_idle_mj))
    if found.highest_c is not None:
        click.echo(f"highest temperature {found.highest_c:.0f} °C")
    if found.throttled_after_s is not None:
        click.echo(f"throttled after {found.throttled_after_s:.0f} s: cool the board or feed it better")
    if times.slower_after_s is not None:
        click.echo(f"slower after {times.slower_after_s:.0f} s, to the end")


def _energy(power: Power, whole_mj: float | None, above_idle_mj: float | None) -> str:
    if whole_mj is None:
        return "energy unknown: no meter is seen; read a wall meter and give --watts-idle and --watts-load"
    text = f"{whole_mj / 1000:.3g} J a step for the whole board ({power.load_w:.2f} W)"
    if above_idle_mj is None:
        return text
    return f"{text}, {above_idle_mj / 1000:.3g} J above idle ({power.idle_w:.2f} W)"
