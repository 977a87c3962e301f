"""A device that runs for its owner: its model reaches his programs, and data that go away come back."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from edge_client.adapters.model_files import CURRENT_FILE
from edge_client.device_folder import CONFIG_FILE
from firmware_profiles.demo.processes import program
from tests.e2e.running_fleet import RunningFleet

DEVICE = 0


def status(fleet: RunningFleet) -> dict[str, Any]:
    command = [program("edge-client"), "status", "--state", str(fleet.stage.device_folders[DEVICE]), "--json"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(shown)
    return found


def test_a_hook_is_run_for_each_new_model(fleet: RunningFleet) -> None:
    folder, device = fleet.stage.device_folders[DEVICE], fleet.devices[DEVICE]
    told = folder / "told"
    config = folder / CONFIG_FILE
    device.kill()
    hook = "model_updated = \"sh -c 'echo $0 $1 >> told' {root} {model}\""
    config.write_text(config.read_text().replace("[hooks]", f"[hooks]\n{hook}"))
    device.start()
    fleet.wait(lambda: told.exists() and len(told.read_text().splitlines()) > 1, "two models were told")
    root, path = told.read_text().splitlines()[0].split()
    assert path == str((folder / CURRENT_FILE).absolute())
    assert len(bytes.fromhex(root)) == 32
    assert (folder / CURRENT_FILE).resolve(strict=True).read_bytes()[4:8] == b"TFL3"
    assert "hook_failed" not in device.log_file.read_text()


def test_data_that_are_gone_for_a_while(fleet: RunningFleet) -> None:
    """No round is trained without them, the device follows the chain, says why, and takes part again."""
    data = fleet.stage.plan.folder / "data" / f"device-{DEVICE}.npz"
    away = data.with_suffix(".away")
    data.rename(away)
    fleet.wait(
        lambda: "there is no data file" in str(status(fleet)["waiting_because"]),
        "the status says what is wrong",
    )
    fleet.wait_next_round()
    before = set(fleet.updates(DEVICE))
    away.rename(data)
    fleet.wait(lambda: set(fleet.updates(DEVICE)) > before, "it trains again")
