"""A change of the validator set between real processes, on a real Mosquitto: who is welcomed, elected, seated
and replaced does it with the commands an operator and a device's owner have."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broker.commands.validator import CONFIG_FILE
from broker.config import ValidatorConfig
from broker.reading import read_status as validator_status
from edge_client.adapters.chain_store import ChainStore
from edge_client.adapters.device_database import open_device_database
from edge_client.config import read_config
from edge_client.core.events import Fate
from edge_client.protocol.light import LightBlock
from edge_client.protocol.proofs import ProofFile
from edge_client.reading import read_status as device_status
from edge_client.runtime.settings import read_settings
from firmware_profiles.demo.processes import Child, program
from firmware_profiles.demo.setting import Lesson
from tests.e2e.running_fleet import DEVICES, VALIDATORS, RunningFleet, running_fleet

SEED = 7
BOND = 1000
LESSON = Lesson(rules={"k": DEVICES + 1, "round_s": 1, "min_updates": 2, "epoch_blocks": 6, "bond": BOND})
"""Elections every few seconds, a bond that a first round earns, and rounds that close after a second, without
one device, too."""
CANDIDATE, REPLACED, KILLED = VALIDATORS, 0, 1
"""Folder of who comes; the genesis seat that is taken first [ELE-3]; a genesis validator that dies later."""
OWNER, SLEEPER = 0, 3
"""The device whose account stands for election, and the one that is off while the set changes."""

pytestmark = pytest.mark.mosquitto


def run(name: str, *arguments: object) -> str:
    """What a command prints; it has to succeed."""
    command = [program(name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[1:]}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class ChangedFleet:
    """A fleet after its first change of the set."""

    fleet: RunningFleet
    candidate: Child

    def validator(self, index: int) -> dict[str, Any]:
        """What `edge-broker status` shows."""
        folder = self.fleet.stage.validator_folder(index)
        return validator_status(read_settings(folder / CONFIG_FILE, ValidatorConfig))

    def device(self, index: int) -> dict[str, Any]:
        """What `edge-client status` shows."""
        return device_status(self.state(index), read_config(self.state(index)))

    def state(self, device: int) -> Path:
        """Folder of a device."""
        return self.fleet.stage.device_folders[device]

    def head(self, device: int) -> LightBlock:
        """What a device believes."""
        with closing(open_device_database(self.state(device))) as database:
            found = ChainStore(database, self.fleet.stage.files.chain_id).head_block()
        assert found is not None
        return found

    def wait_included(self, device: int, since_round: int) -> None:
        """Return when an update that a device made after this round stands in a block."""
        self.fleet.wait(
            lambda: any(
                one.fate == Fate.INCLUDED and one.round > since_round
                for one in self.fleet.updates(device).values()
            ),
            f"an update of device {device} made after round {since_round} is included",
        )


def welcome_candidate(fleet: RunningFleet) -> Child:
    """Key, folder, rights on the MQTT server; nobody answers it before somebody stands for it."""
    folder = fleet.stage.validator_folder(CANDIDATE)
    folder.mkdir(mode=0o700)
    printed = run("edge-broker", "key", folder / "validator.key")
    shutil.copy(fleet.stage.validator_folder(0) / CONFIG_FILE, folder / CONFIG_FILE)
    node = printed.split("node id ")[1].strip().rstrip(")")
    run("edge-broker", "admit", fleet.stage.plan.folder, node)
    fleet.stage.server.reload()
    command = [program("edge-broker"), "validator", str(folder), "--observe"]
    return fleet.children.add("candidate", command, fleet.stage.plan.folder / "candidate.log")


def stand_for_election(fleet: RunningFleet) -> None:
    """The owner of a device puts up what it earned."""
    state = fleet.stage.device_folders[OWNER]
    number = device_status(state, read_config(state))["account"]["number"]
    line = run("edge-broker", "consent", fleet.stage.validator_folder(CANDIDATE), number).strip()
    assert f"with {BOND} units at stake" in run("edge-client", "opt-in", "--state", state, line)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChangedFleet]:
    with running_fleet(tmp_path_factory.mktemp("epochs") / "fleet", SEED, "mosquitto", LESSON) as fleet:
        candidate = welcome_candidate(fleet)
        fleet.devices[SLEEPER].kill()
        stand_for_election(fleet)
        changed = ChangedFleet(fleet, candidate)
        fleet.wait(lambda: changed.head(OWNER).header.epoch >= 1, "the owner's device is in the next epoch")
        yield changed


def test_a_candidate_is_elected_and_its_signature_counts(changed: ChangedFleet) -> None:
    fleet = changed.fleet
    fleet.wait(lambda: changed.validator(CANDIDATE)["epoch"] == 1, "the candidate has seen the change")
    fleet.wait(lambda: changed.validator(CANDIDATE)["phase"] == "signing", "the candidate signs")
    found = changed.validator(CANDIDATE)
    assert (found["seat"], found["bond"]) == (str(REPLACED), BOND)
    fleet.wait(lambda: changed.device(OWNER)["account"]["stake"] == BOND, "the account is of after that")
    owner = changed.device(OWNER)
    assert (owner["wish"], owner["seat"]) == ("done", REPLACED)

    killed_at = changed.head(OWNER).header.height
    fleet.validators[KILLED].kill()  # three of four are a quorum: without the newcomer nothing is final now
    fleet.wait(
        lambda: changed.head(OWNER).header.height > killed_at + 3, "blocks are final without one of genesis"
    )
    assert changed.head(OWNER).finality.quorum.signers == 0b1101
    fleet.validators[KILLED].start()


def test_who_lost_its_seat_goes_on_as_an_observer(changed: ChangedFleet) -> None:
    found = changed.validator(REPLACED)
    assert (found["seat"], found["running"]) == ("none", True)
    height = found["height"]
    changed.fleet.wait(lambda: bool(changed.fleet.blocks(REPLACED, height)), "it follows what others decide")


@pytest.mark.parametrize("device", [index for index in range(DEVICES) if index != SLEEPER])
def test_devices_go_on_learning(changed: ChangedFleet, device: int) -> None:
    changed.wait_included(device, changed.head(OWNER).learning.round)


def test_a_device_that_slept_through_the_change_follows_it(changed: ChangedFleet) -> None:
    before = changed.head(SLEEPER)
    assert before.header.epoch == 0
    changed.fleet.devices[SLEEPER].start()
    changed.wait_included(SLEEPER, before.learning.round)
    assert changed.head(SLEEPER).header.epoch >= 1

    state = changed.state(SLEEPER)
    proven = run("edge-client", "verify", "--state", state).splitlines()
    # In stretches when it slept for so many blocks that it need not have them all: on a slow machine.
    assert proven[0].endswith(("are linked to genesis without a gap", "are linked to genesis in stretches"))
    assert any("is final: 3 validators signed it" in line for line in proven)
    assert proven[-1] == "they are of the set of epoch 1, reached by 1 handoffs"


def test_a_balance_is_proven_over_the_change(changed: ChangedFleet, tmp_path: Path) -> None:
    proof, chain = tmp_path / "balance.proof", changed.fleet.stage.files.chain_id.hex()
    run("edge-client", "prove", "balance", "--state", changed.state(OWNER), "-o", proof)
    found = json.loads(run("edge-client", "verify-proof", proof, "--chain", chain, "--json"))
    account = changed.device(OWNER)["account"]
    assert (found["proven"], found["claims"][0]["account"]) == (True, account["number"])
    assert len(ProofFile.decode(proof.read_bytes()).bundle.hops) == 1
