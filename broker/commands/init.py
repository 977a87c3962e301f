"""`edge-broker init`: found a chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from broker.commands.failing import fail

VALIDATORS_DEFAULT = 4
K_LIMIT = 256
"""A block takes four times as many updates as close a round, and at most 1,024."""


def _params_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The rules of training that genesis fixes; owners can change them later on the chain. Bounds are those
    of the fields of `RoundParams`."""
    u8, u16, u32 = (click.IntRange(1, (1 << bits) - 1) for bits in (8, 16, 32))
    q20 = click.FloatRange(0, 1 << 12, min_open=True, max_open=True)
    k_help = f"Updates that close a round, 1 to {K_LIMIT}."
    for option in reversed(
        (
            click.option("--k", type=click.IntRange(1, K_LIMIT), default=10, show_default=True, help=k_help),
            click.option("--min-updates", type=u16, default=2, show_default=True,
                         help="Enough at the deadline."),
            click.option("--selected", type=u16,
                         help="Devices asked in a round; left out: all. Below --k, it ends at its deadline."),
            click.option("--round-s", type=u32, default=1800, show_default=True, help="Deadline of a round."),
            click.option("--epochs", type=u8, default=1, show_default=True,
                         help="Passes over the local data."),
            click.option("--learning-rate", type=q20, default=0.05, show_default=True,
                         help="Of local training."),
            click.option("--clip-norm", type=q20, default=10.0, show_default=True,
                         help="Largest L2 norm of an update."),
            click.option("--sample-cap", type=u32, default=10_000, show_default=True,
                         help="Samples that count."),
            click.option("--records-wait-s", type=u16, default=5, show_default=True,
                         help="Longest wait of a record."),
            click.option("--epoch-blocks", type=click.IntRange(0, (1 << 32) - 1), default=64,
                         show_default=True, help="Blocks between elections; 0: validators never change."),
            click.option("--bond", type=click.IntRange(1, (1 << 63) - 1), default=1_000_000,
                         show_default=True, help="What standing for election puts at stake."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(short_help="Found a chain: genesis, keys, validator folders, join string.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--graph", type=click.Path(path_type=Path, dir_okay=False), required=True,
              help="Training graph made by `edge-client trainable`.")  # fmt: skip
@click.option("--server", "servers", multiple=True, required=True,
              help="Address of an MQTT server, like mqtts://host:8883; repeat for more.")  # fmt: skip
@click.option("--validators", default=VALIDATORS_DEFAULT, show_default=True, help="How many, 1 or 4 to 16.")
@click.option("--validator-key", "validator_keys", multiple=True, metavar="HEX",
              help="Public key of a validator that keeps its own secret (`edge-broker key`).")  # fmt: skip
@click.option("--admission", type=click.Choice(["open", "token", "list"]), default="open", show_default=True,
              help="Who may register: anybody, holders of a voucher, the --device-key.")  # fmt: skip
@click.option("--device-key", "device_keys", multiple=True, metavar="HEX",
              help="Public key of an admitted device, for --admission list; repeat.")  # fmt: skip
@click.option("--ca-file", type=click.Path(path_type=Path, dir_okay=False),
              help="PEM of the authority that signed the servers' certificates.")  # fmt: skip
@_params_options
@click.option("--qr/--no-qr", default=True, help="Show the join string as a QR code, too.")
def init(folder: Path, graph: Path, qr: bool, **options: Any) -> None:
    """Found a chain in FOLDER and print the join string that its devices need.

    Makes `chain/` (genesis, graph, initial model), one folder with key and configuration for each validator,
    the owner's key, and `mqtt/` with a Mosquitto configuration and access list. Move each validator folder,
    with a copy of `chain/` beside it, to the machine that shall run it. Keys given with --validator-key take
    the last places; their owners put their own `validator.key` into the folder.
    """
    from broker.founding_folder import FoundingError, Plan, found_in_folder
    from edge_client.protocol.genesis import Admission

    try:
        plan = Plan(
            folder,
            graph,
            options["servers"],
            options["validators"],
            options["ca_file"],
            _keys("--validator-key", options["validator_keys"]),
            Admission[options["admission"].upper()],
            _keys("--device-key", options["device_keys"]),
        )
        join = found_in_folder(plan, options)
    except FoundingError as error:
        fail(str(error))
    click.echo(
        f"chain {join.chain_id.hex()[:16]} founded in {folder}; its devices join with:\n\n{join.text()}\n"
    )
    if qr:
        _print_qr(join.text())
    if options["admission"] == "token":
        click.echo(f"each device needs its own line: edge-broker voucher {folder} NUMBER")
    click.echo(f"next: edge-broker validator {folder}/validator-0   (one process for each validator)")


def _keys(option: str, texts: tuple[str, ...]) -> tuple[bytes, ...]:
    from edge_client.protocol.keys import KEY_BYTES

    keys = []
    for text in texts:
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            fail(f"{option} {text}: a public key is {2 * KEY_BYTES} hex digits")
        keys.append(key)
    return tuple(keys)


def _print_qr(text: str) -> None:
    try:
        import qrcode
    except ImportError:
        click.echo("(no QR code: pip install 'edge-client[broker]')")
        return
    code = qrcode.QRCode(border=1)
    code.add_data(text)
    code.print_ascii(invert=True)
