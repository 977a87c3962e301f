"""A device's folder as its owner makes it, with the real commands, and the device's life in that folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from edge_client.cli import main
from edge_client.device_folder import KEY_FILE
from edge_client.protocol.join import Join
from edge_client.protocol.keys import Signer
from edge_client.runtime.keystore import load_seed
from tests.builders import ChainMaker
from tests.device_world import DeviceWorld
from tests.real_disk import RealDisk

NOBODY = "mqtt://127.0.0.1:1"
"""A server that nobody is behind."""
T0_S = 1_700_000_000
"""A genesis in the past of every machine."""
FIRST_START_S = T0_S + 3600


def edge_client(*arguments: object) -> Result:
    """What the command says and returns."""
    return CliRunner().invoke(main, [str(one) for one in arguments])


def facts(result: Result) -> dict[str, Any]:
    """What a command that succeeded printed as JSON."""
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def init_device(state: Path, join: Join | bytes, data: str = "npz:data.npz") -> Path:
    """`edge-client init` for a join string, or for a chain id behind a server that is not there."""
    text = (join if isinstance(join, Join) else Join((NOBODY,), join)).text()
    result = edge_client("init", "--join", text, "--state", state, "--data", data)
    assert result.exit_code == 0, result.output
    return state


def live_in(state: Path, chain: ChainMaker) -> DeviceWorld:
    """The device whose key and disk are in this folder, started for the first time."""
    world = DeviceWorld(chain, disk=RealDisk(state, chain.chain_id))
    world.signer = Signer(load_seed(state / KEY_FILE))
    world.identity = replace(world.identity, signer=world.signer)
    world.now_ms = FIRST_START_S * 1000
    world.agent = world.make_agent()
    return world
