"""`edge-client verify`: prove the stored chain again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_client.commands.failing import OWNER, fail
from edge_client.commands.options import DEVICE, JSON

if TYPE_CHECKING:
    from edge_client.core.audit import Proven


@click.command(short_help="Check the stored chain from genesis to the head again.")
@DEVICE
@JSON
def verify(folder: Path, as_json: bool) -> None:
    """Check every stored header, the roots of the head and its certificate, offline, and say what is proven.

    Works while the device runs, too.
    """
    import json

    from edge_client.adapters.device_disk import DeviceDisk
    from edge_client.config import read_config
    from edge_client.core.verify import Invalid
    from edge_client.reading import verify_disk
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        disk = DeviceDisk(folder, read_config(folder).chain.parsed().chain_id)
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    try:
        proven = verify_disk(disk)
    finally:
        disk.close()
    if proven is None:
        fail("nothing is stored yet; run the device first")
    if isinstance(proven, Invalid):
        fail(f"the stored chain does not hold: {proven.reason.value}, {proven.detail}", OWNER)
    facts = {
        "linked": [list(stretch) for stretch in proven.linked],
        "final_height": proven.final_height,
        "signatures": proven.signatures,
        "epoch": proven.epoch,
        "handoffs": proven.handoffs,
        "shown": list(proven.shown),
        "vouched": proven.vouched,
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
        return
    for line in _in_words(proven):
        click.echo(line)


def _in_words(proven: Proven) -> Iterator[str]:
    """What was proven, and what was not looked at."""
    stretches = ", ".join(f"{first:,} to {last:,}" for first, last in proven.linked)
    whole = pairwise([(0, 0), *proven.linked])
    gaps = [(low + 1, high - 1) for (_, low), (high, _) in whole if high > low + 1]
    without = "in stretches" if gaps else "without a gap"
    yield f"headers {stretches} are linked to genesis {without}"
    for first, last in gaps:
        yield f"headers {first:,} to {last:,} are not stored; the history that header {last + 1:,} commits to"
        start = f"the headers up to {first - 1:,}" if first > 1 else "genesis"
        yield f"begins with {start}, so they are the same chain"
    if proven.shown:
        heights = ", ".join(f"{height:,}" for height in proven.shown)
        who = f"header {heights} is" if len(proven.shown) == 1 else f"headers {heights} are"
        yield f"{who} stored alone, and shown to stand in a gap"
    yield f"height {proven.final_height:,} is final: {proven.signatures} validators signed it,"
    yield "and it commits to the stored model, accounts, rules and round"
    if proven.epoch:
        yield f"they are of the set of epoch {proven.epoch}, reached by {proven.handoffs} handoffs"
    if proven.vouched:
        yield f"from {proven.vouched} older sets your word led on (`edge-client trust`), not their signatures"
