"""`edge-client trainable`: turn any .tflite model into a training graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_client.commands.failing import fail

if TYPE_CHECKING:
    from edge_client.litert.describe import Description
    from edge_client.litert.trainable import TrainingOptions

LOSSES = ("softmax-cross-entropy", "sigmoid-cross-entropy", "mse", "huber")
OPTIMIZERS = ("sgd", "momentum", "adam")
BATCH_MAX = (1 << 16) - 1
SCALE_MAX = (1 << 32) - 1


@click.command(short_help="Turn a .tflite model into a training graph.")
@click.argument("model", type=click.Path(path_type=Path, dir_okay=False))
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--train", type=click.Choice(["all"]), help="Train every float weight (the default).")
@click.option("--train-last", type=click.IntRange(1), metavar="N", help="Train the last N layers only.")
@click.option("--train-from", metavar="TENSOR", help="Train only what comes behind this tensor.")
@click.option("--loss", type=click.Choice(LOSSES), default=LOSSES[0], show_default=True)
@click.option("--optimizer", type=click.Choice(OPTIMIZERS), default=OPTIMIZERS[0], show_default=True)
@click.option("--batch", type=click.IntRange(1, BATCH_MAX), default=10, show_default=True)
@click.option(
    "--input-scale",
    metavar="NUM/DEN",
    default="1",
    show_default=True,
    help="What raw samples are multiplied by, like 1/255 for pixels; devices do it, their data stay raw.",
)
@click.option(
    "--new-head",
    type=click.IntRange(1, BATCH_MAX),
    metavar="K",
    help="Put a fresh dense head for K outputs on the features: on the tensor of --train-from, else on what "
    "goes into the last layer. Only the head is trained unless --train or --train-last says otherwise.",
)
@click.option("--describe", is_flag=True, help="Show what would be trained and what it costs here.")
def trainable(model: Path, output: Path | None, *, describe: bool, **choices: Any) -> None:
    """Make a training graph of MODEL, a .tflite file, from built-in ops only.

    The result trains on stock LiteRT and tflite-runtime. What cannot be trained may stay frozen in front.
    """
    if output is None and not describe:
        fail("say where the training graph goes (-o FILE), or ask for --describe")
    from edge_client.litert.graph import RuntimeMissingError
    from edge_client.litert.ir import ModelError

    try:
        data, description = _make(model.read_bytes(), Choices(**choices), describe=describe)
        if description is not None:
            _show(description)
        if output is not None:
            _write(output, data)
    except ModelError as error:
        fail(f"{model}: {error}")
    except RuntimeMissingError as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of the command as they were given."""

    train: str | None
    train_last: int | None
    train_from: str | None
    loss: str
    optimizer: str
    batch: int
    input_scale: str
    new_head: int | None

    def options(self) -> TrainingOptions:
        """What they mean; a contradiction ends the command."""
        from edge_client.litert.head import NewHead
        from edge_client.litert.network import Scope
        from edge_client.litert.optimizers import Optimizer
        from edge_client.litert.trainable import TrainingOptions
        from edge_client.protocol.manifest import Loss

        if sum(choice is not None for choice in (self.train, self.train_last, self.train_from)) > 1:
            fail("choose one of --train, --train-last and --train-from")
        scope, head = Scope(layers=self.train_last, tensor=self.train_from), None
        if self.new_head is not None:
            head = NewHead(self.new_head, tensor=self.train_from)
            scope = Scope(layers=self.train_last) if self.train or self.train_last else Scope(layers=1)
        loss = Loss(LOSSES.index(self.loss))
        num, den = self._scale()
        return TrainingOptions(
            self.batch,
            loss,
            Optimizer(self.optimizer),
            scope,
            head,
            input_scale_num=num,
            input_scale_den=den,
        )

    def _scale(self) -> tuple[int, int]:
        num, _, den = self.input_scale.partition("/")
        parts = (num, den or "1")
        if not all(one.isascii() and one.isdecimal() and 0 < int(one) <= SCALE_MAX for one in parts):
            fail(f"--input-scale is like 1/255, whole numbers up to {SCALE_MAX}, not '{self.input_scale}'")
        return int(parts[0]), int(parts[1])


def _make(model: bytes, choices: Choices, *, describe: bool) -> tuple[bytes, Description | None]:
    """The training graph, checked against the model, and its description if asked for."""
    from edge_client.litert.describe import describe as describe_graph
    from edge_client.litert.graph import TrainingGraph
    from edge_client.litert.selfcheck import check_inference
    from edge_client.litert.trainable import build, prepare

    options = choices.options()
    prepared = prepare(model, options)
    data = build(prepared, options)
    graph = TrainingGraph.open(data)
    if options.new_head is None:
        check_inference(model, graph)
    return data, describe_graph(prepared.network, graph, len(data)) if describe else None


def _show(description: Description) -> None:
    """The description as a table."""
    for layer in description.layers:
        shape = "x".join(map(str, layer.dims))
        click.echo(f"{layer.op:18} {layer.name:50.50} {shape:>14} {layer.parameters:>10,}")
    click.echo(
        f"{description.parameters:,} parameters; an update is about {description.update_bytes:,} bytes"
    )
    click.echo(f"about {description.memory_bytes / 1e6:.1f} MB for tensors while training")
    click.echo(
        f"{description.step_ms:.2f} ms a step of {description.batch} samples on this machine, one thread"
    )


def _write(path: Path, data: bytes) -> None:
    """Write the file in one step, so that a stopped run leaves no half of it."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data)
    partial.replace(path)
    click.echo(f"{path}: {len(data):,} bytes")
