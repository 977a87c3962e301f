"""`edge-client predict`: what the model says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import JSON

if TYPE_CHECKING:
    from edge_client.model import Prediction


@click.command(short_help="Say what the model makes of samples in a file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Ask the latest verified model of this device.",
)
@click.option(
    "--model", type=click.Path(path_type=Path), help="Ask this file, written by `edge-client export`."
)
@JSON
def predict(file: Path, folder: Path | None, model: Path | None, as_json: bool) -> None:
    """Say what the model makes of the samples in FILE: .npz with x, .npy, .csv or a picture."""
    import json

    from edge_client.adapters.data.samples import Beside, read_samples
    from edge_client.adapters.data.source import DataError
    from edge_client.config import read_config
    from edge_client.litert.graph import RuntimeMissingError
    from edge_client.litert.ir import ModelError
    from edge_client.model import Model
    from edge_client.runtime.settings import SettingsError

    if (folder is None) == (model is None):
        fail("say which model to ask: --state FOLDER or --model FILE")
    try:
        own = read_config(folder).data if folder else None
        asked = Model.current(folder) if folder else Model(model or Path())
        columns = frozenset({own.label_column, own.time_column}) if own else frozenset()
        samples = read_samples(file, asked.input_dims, Beside(columns, asked.labels))
        answers = [_facts(asked.predict(one), own.classes if own else ()) for one in samples]
    except (SettingsError, DataError, RuntimeMissingError) as error:
        fail(str(error))
    except ModelError as error:
        fail(f"{model or folder}: {error}")
    except FileNotFoundError as error:
        hint = "; run the device until it has fetched a model" if folder else ""
        fail(f"there is no model {error.filename}{hint}")
    except OSError as error:
        fail(f"cannot read {error.filename}: {error.strerror}")
    if as_json:
        click.echo(json.dumps({"model": str(asked.path), "predictions": answers}, indent=1))
        return
    for number, answer in enumerate(answers, 1):
        click.echo(f"sample {number}: {_in_words(answer)}")


def _facts(answer: Prediction, names: tuple[str, ...]) -> dict[str, Any]:
    facts: dict[str, Any] = {} if answer.label is None else {"class": answer.label, "score": answer.score}
    if answer.label is not None and answer.label < len(names):
        facts["name"] = names[answer.label]
    return facts | {"values": list(answer.values)}


def _in_words(answer: dict[str, Any]) -> str:
    if "class" not in answer:
        return " ".join(f"{value:.6g}" for value in answer["values"])
    name = f" ({answer['name']})" if "name" in answer else ""
    return f"class {answer['class']}{name}, score {answer['score']:.4f}"
