"""`edge-client history`: rounds, bytes, joules and rewards, with a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_client.commands.failing import fail
from edge_client.commands.options import DEVICE, JSON

BAR_CHARS = 20
ROUNDS_SHOWN = 40
GIVEN_UP = "given up"


@click.command(short_help="Show rounds, bytes, joules and rewards.")
@DEVICE
@JSON
def history(folder: Path, as_json: bool) -> None:
    """Show the latest rounds this device trained in: what became of them, what they took, what was predicted
    before (joules, kB), what they earned, and bars of bytes and rewards. Joules are those of training, by the
    meter, and of the radio, computed from bytes, bursts, link. Works while the device runs and when not."""
    import json

    from edge_client.config import read_config
    from edge_client.history import read_history
    from edge_client.runtime.database import DatabaseError
    from edge_client.runtime.settings import SettingsError

    try:
        found = read_history(folder, read_config(folder))
    except (SettingsError, DatabaseError) as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    rounds = found["rounds"][-ROUNDS_SHOWN:]
    if not rounds:
        click.echo("no round yet; `edge-client status` and `edge-client why` say what it waits for")
        return
    most_bytes = max((_bytes(one) for one in rounds), default=0)
    most_reward = max((one["reward"] or 0 for one in rounds), default=0)
    costs = f"{'seconds':>10}{'joules':>9}{'kB':>9}{'predicted':>10}{'kB':>9}"
    click.echo(f"{'round':>7}  {'fate':<9}{'steps':>7}{costs}  {'':<{BAR_CHARS}}{'reward':>12}")
    for one in rounds:
        click.echo(_line(one, most_bytes, most_reward))
    click.echo(f"balance {_or_dash(found['balance'])}, contribution {_or_dash(found['contribution'])}")


def _line(one: dict[str, Any], most_bytes: int, most_reward: int) -> str:
    if one["fate"] == GIVEN_UP:
        return f"{one['round']:>7}  {GIVEN_UP}: {one['why']}"
    total = _bytes(one)
    numbers = (
        f"{_or_dash(one['train_ms'], 1000):>10}"
        f"{_or_dash(one['energy_mj'], 1000):>9}"
        f"{_or_dash(total if one['up_bytes'] is not None else None, 1000):>9}"
        f"{_or_dash(one['predicted_mj'], 1000):>10}"
        f"{_or_dash(one['predicted_bytes'], 1000):>9}"
    )
    earned = f"{_or_dash(one['reward']):>12}  {_bar(one['reward'] or 0, most_reward, '▒')}"
    bytes_bar = _bar(total, most_bytes, "█")
    start = f"{one['round']:>7}  {one['fate']:<9}{one['steps']:>7}{numbers}"
    return f"{start}  {bytes_bar:<{BAR_CHARS}}{earned}".rstrip()


def _bar(value: int, most: int, sign: str) -> str:
    return sign * round(BAR_CHARS * max(0, value) / most) if most else ""


def _bytes(one: dict[str, Any]) -> int:
    return (one["up_bytes"] or 0) + (one["down_bytes"] or 0)


def _or_dash(value: int | None, scale: int = 1) -> str:
    if value is None:
        return "-"
    return str(value) if scale == 1 else f"{value / scale:.1f}"
