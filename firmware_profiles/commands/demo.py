"""`edge-fleet demo`: a whole fleet on this machine, for two minutes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from firmware_profiles.commands.failing import fail
from firmware_profiles.commands.stopping import stoppable

MQTT_CHOICES = ("auto", "embedded", "mosquitto")
ROUNDS_MAX = 10_000
DEVICES_MAX = 128
"""Two label shards each of the 1,257 images that the devices share; every process takes 60 MB."""


@click.command(short_help="A fleet of real processes learns handwritten digits on this machine.")
@click.option("--rounds", default=40, show_default=True, type=click.IntRange(1, ROUNDS_MAX),
              help="How many rounds to finalise.")  # fmt: skip
@click.option("--devices", default=8, show_default=True, type=click.IntRange(1, DEVICES_MAX),
              help="Device-agent processes.")  # fmt: skip
@click.option("--validators", default=4, show_default=True, help="Validator processes.")
@click.option("--seed", default=2, show_default=True, help="Of the data cut and the first weights.")
@click.option("--mqtt", default="auto", show_default=True, type=click.Choice(MQTT_CHOICES),
              help="Which MQTT server to start; auto takes Mosquitto if it is installed.")  # fmt: skip
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Also write the facts to this file.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False),
              help="Work in this (new) folder and leave it there.")  # fmt: skip
def demo(json_file: Path | None, keep: Path | None, **plan: object) -> None:
    """Start an MQTT server, validators and devices, each its own process with its own key and database, and
    let them learn scikit-learn's digits, of which every device has two label shards. Ends with one table; the
    exit code is 0 if all heads agree and the accuracy on held-out data is at least 0.90. Ctrl-C leaves
    nothing running.
    """
    from tempfile import TemporaryDirectory

    from broker.founding_folder import FoundingError, check_count

    try:
        check_count(int(str(plan["validators"])))
    except FoundingError as error:
        fail(str(error))
    if json_file is not None and not json_file.parent.is_dir():
        fail(f"there is no folder {json_file.parent} for --json")
    if keep is not None:
        try:
            keep.mkdir(parents=True)
        except OSError as error:
            fail(f"cannot make {keep} ({error.strerror}); --keep takes a new folder")
        sys.exit(_play(keep.resolve(), json_file, plan))
    with TemporaryDirectory(prefix="edge-fleet-") as folder:
        code = _play(Path(folder), json_file, plan)
    sys.exit(code)


def _play(folder: Path, json_file: Path | None, options: dict[str, object]) -> int:
    import json
    from importlib.util import find_spec

    missing = [name for name in ("amqtt", "rich", "sklearn", "ai_edge_litert") if find_spec(name) is None]
    if missing:
        hint = "pip install 'edge-client[litert,broker,fleet]'"
        fail(f"{', '.join(missing)} not installed; run: {hint}")
    from broker.founding_folder import FoundingError
    from broker.mqtt_server.process import MqttServerError
    from firmware_profiles.demo.processes import ChildDiedError
    from firmware_profiles.demo.run import ACCURACY_MIN, DemoStuckError, run_demo
    from firmware_profiles.demo.setting import DemoPlan
    from firmware_profiles.demo.view import make_view, show_table

    plan = DemoPlan(folder=folder, **options)  # type: ignore[arg-type]
    view = make_view(plan.rounds, plan.devices)
    try:
        with stoppable(lambda: "nothing is left running"):
            facts = run_demo(plan, view)
    except (FoundingError, MqttServerError) as error:
        click.echo(f"edge-fleet: {error}", err=True)
        return 2
    except (ChildDiedError, DemoStuckError) as error:
        click.echo(f"edge-fleet: {error}", err=True)
        return 1
    show_table({**facts, "accuracy": facts["accuracy"][-1]})
    if json_file is not None:
        json_file.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if not facts["heads_agree"] or facts["accuracy"][-1] < ACCURACY_MIN:
        click.echo(f"edge-fleet: heads disagree, or accuracy is below {ACCURACY_MIN}", err=True)
        return 1
    return 0
