"""Bad input to real processes: in the log once, in `status` counted, and nothing else disturbed.

The cases one by one are in tests/integration/test_validator_bad_input.py and
tests/unit/test_agent_bad_input.py; here what the machines refuse reaches the operator's and the owner's eyes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_client.protocol.errors import Reason
from edge_client.protocol.keys import Signer
from edge_client.runtime.keystore import load_seed
from firmware_profiles.demo.processes import program
from tests.e2e.bad_peer import bad_peer, misbehave_as_device, misbehave_as_validator
from tests.e2e.running_fleet import RunningFleet

ATTACKER = Signer(b"a device that has gone bad".ljust(32, b"."))
BYZANTINE = 3


def refusals(log: Path, sender: str) -> list[str]:
    """Log lines about what this sender did."""
    return [line for line in log.read_text().splitlines() if f" sender={sender} " in line]


def reasons_in(log: Path, sender: str) -> list[str]:
    return [line.split("reason=")[1].split()[0] for line in refusals(log, sender)]


def wait_for_one_line_each(fleet: RunningFleet, log: Path, sender: str, reasons: set[Reason]) -> None:
    """The log names each of these reasons with the sender, once, and no other."""
    names = {reason.value for reason in reasons}
    fleet.wait(lambda: names <= set(reasons_in(log, sender)), f"{log.name} names {sorted(names)}")
    assert sorted(reasons_in(log, sender)) == sorted(names)
    assert all(" WARNING refused " in line and " detail=" in line for line in refusals(log, sender))


def wait_for_status(fleet: RunningFleet, command: Sequence[str], reasons: set[Reason]) -> dict[str, Any]:
    """`status --json` counts each of these reasons; returns what it shows then."""
    shown: dict[str, Any] = {}

    def counted() -> bool:
        result = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
        shown.update(json.loads(result.stdout))
        return all(shown["refused"].get(reason.value, 0) > 0 for reason in reasons)

    fleet.wait(counted, f"status counts {sorted(reasons)}")
    return shown


def test_a_bad_device(fleet: RunningFleet) -> None:
    accounts = fleet.account_numbers
    with bad_peer(fleet, ATTACKER) as peer:
        peer.register()
        fleet.wait(lambda: ATTACKER.public_key in accounts(), "the attacker has an account")
        reasons = misbehave_as_device(peer, accounts()[ATTACKER.public_key])
        for index, validator in enumerate(fleet.validators):
            wait_for_one_line_each(fleet, validator.log_file, peer.name, reasons)
            command = [program("edge-broker"), "status", str(fleet.stage.validator_folder(index))]
            assert wait_for_status(fleet, command, reasons)["running"] is True
    fleet.wait_next_round()


def test_a_bad_validator(fleet: RunningFleet) -> None:
    """Its key is real and its process is gone: three others go on, and devices tell what it sends."""
    signer = Signer(load_seed(fleet.stage.validator_folder(BYZANTINE) / "validator.key"))
    fleet.validators[BYZANTINE].kill()
    with bad_peer(fleet, signer) as peer:
        for index, device in enumerate(fleet.devices):
            reasons = misbehave_as_validator(peer, fleet.device_name(index))
            wait_for_one_line_each(fleet, device.log_file, peer.name, reasons)
            command = [program("edge-client"), "status", "--state", str(fleet.stage.device_folders[index])]
            shown = wait_for_status(fleet, command, reasons)
            assert (shown["running"], shown["halted"]) == (True, None)
    fleet.validators[BYZANTINE].start()
    fleet.wait_next_round()
