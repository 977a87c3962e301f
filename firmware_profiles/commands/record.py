"""`edge-fleet record`: makes the bank of updates that `simulate --train replay` sends."""

from __future__ import annotations

from pathlib import Path

import click

from firmware_profiles.commands.keeping import cannot_write, ready_folder
from firmware_profiles.commands.stopping import stoppable


@click.command(short_help="Make the updates that `simulate --train replay` sends.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The .npz file to write.",
)
@click.option(
    "--stages", default=48, show_default=True, type=click.IntRange(1, 10_000), help="Rounds to train."
)
@click.option("--epochs", default=2, show_default=True, type=click.IntRange(1, 1_000), help="Local epochs.")
@click.option("--learning-rate", default=0.2, show_default=True)
@click.option("--seed", default=1, show_default=True)
def record(output: Path, stages: int, epochs: int, learning_rate: float, seed: int) -> None:
    """Train every share of the digits really, and keep each update for `simulate --train replay`.

    Takes about ten seconds. The shipped bank was made by this command with its defaults.
    """
    from edge_client.litert.training import TrainingPlan
    from firmware_profiles.lesson.digits import digits
    from firmware_profiles.lesson.recording import record as make

    plan = TrainingPlan(epochs, learning_rate, seed)
    ready_folder(output.parent)
    with stoppable(lambda: "nothing is written"):
        with click.progressbar(length=stages, label="rounds", show_eta=True) as bar:
            bank = make(digits(), plan, stages, lambda _stage: bar.update(1))
        try:
            bank.write(output)
        except OSError as error:
            cannot_write(output, error)
    click.echo(f"{output}: {stages} rounds, {bank.codes.shape[1]} shares, {output.stat().st_size} bytes")
