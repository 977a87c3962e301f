"""`edge-broker audit`: execute final blocks again, and write down a wrong one for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from broker.commands.failing import CONTRADICTION, UNREACHABLE, fail

if TYPE_CHECKING:
    from broker.auditing import Convicted
    from broker.core.auditor import Audited

HEIGHT = click.IntRange(min=1)


@click.command(short_help="Execute final blocks again and prove what is wrong.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--height", type=HEIGHT, help="Only this block.")
@click.option("--from", "first", type=HEIGHT, help="The first block; the first that can be executed.")
@click.option("--to", "last", type=HEIGHT, help="The last block; the head.")
@click.option("--write", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where the fraud proof goes; ./block-HEIGHT.fraud.")  # fmt: skip
def audit(folder: Path, height: int | None, first: int | None, last: int | None, write: Path | None) -> None:
    """Execute final blocks of the validator in FOLDER again, from its genesis or the nearest state it keeps.

    Only reads, also beside a running validator. A block that is not what execution gives ends with 4 and a
    fraud proof, which `edge-client verify-proof` checks anywhere.
    """
    from broker.auditing import CannotAuditError, Convicted, audit_folder
    from broker.commands.validator import CONFIG_FILE
    from broker.config import ValidatorConfig
    from broker.founding import ChainFilesError
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError, read_settings

    if height is not None and (first is not None or last is not None):
        fail("say --height, or --from and --to")
    if height is not None:
        first = last = height
    if first is not None and last is not None and last < first:
        fail(f"--to {last} is below --from {first}")
    try:
        outcome = audit_folder(read_settings(folder / CONFIG_FILE, ValidatorConfig), first, last)
    except (SettingsError, ChainFilesError, DatabaseError, CannotAuditError) as error:
        fail(str(error))
    if isinstance(outcome, Convicted):
        _convict(outcome, write)
    _report(outcome)


def _report(audited: Audited) -> None:
    start = f"the state of height {audited.start}" if audited.start else "genesis"
    click.echo(
        f"proven: blocks {audited.first} to {audited.last} are exactly what execution gives, from {start} on"
    )
    if audited.signatures:
        click.echo(f"up to height {audited.final_height} they are final, by {audited.signatures} signatures")
    else:
        click.echo("none of them has a certificate of its own; a later header makes them final")


def _convict(convicted: Convicted, write: Path | None) -> NoReturn:
    """Write the proof, and end."""
    from edge_client.runtime.files import replace

    verdict = convicted.verdict
    file = write or Path(f"block-{verdict.height}.fraud")
    try:
        replace(file, convicted.data)
    except OSError as error:
        fail(f"block {verdict.height} is wrong; cannot write {file}: {error.strerror}", UNREACHABLE)
    click.echo(f"{file}: {len(convicted.data)} bytes")
    click.echo(f"check: edge-client verify-proof {file} --chain {verdict.chain_id.hex()}")
    wrong = ", ".join(one.value for one in verdict.wrong)
    fail(f"block {verdict.height} is final and wrong: {wrong} ({verdict.detail})", CONTRADICTION)
