"""Setting the stage: the chain and its keys from the seed, shares of the data, the MQTT server's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from broker.founding import ChainFiles, Founders, found
from broker.founding_folder import access_list, election_rules, make_params
from broker.mqtt_server.mosquitto import ACL_FILE, acl_text, find_binary, local_server
from broker.mqtt_server.process import MqttServerError, MqttServerProcess
from edge_client.adapters.device_database import open_device_database
from edge_client.protocol.keys import Signer
from edge_client.protocol.params import REGISTRATIONS_PER_BLOCK_MAX
from edge_client.runtime.files import write_new
from firmware_profiles.emulate.data import write_shares
from firmware_profiles.emulate.pace import paced
from firmware_profiles.emulate.plan import (
    CHAIN_FOLDER,
    MIDNIGHT_MS,
    NEW_DEVICE_FOLDER,
    SHARES_FILE,
    Emulation,
)
from firmware_profiles.emulate.validators import validator_folder
from firmware_profiles.lesson.digits import Lesson
from firmware_profiles.profiles.fleet import Fleet
from firmware_profiles.twin.draws import drawn


def set_stage(plan: Emulation, lesson: Lesson) -> ChainFiles:
    """Write all files to the (new) folder; every part of a fleet that is spread over hosts founds the same
    chain. Raises `FileExistsError` when something is there already."""
    (plan.folder / "devices").mkdir(parents=True)
    open_device_database(plan.folder / NEW_DEVICE_FOLDER).close()
    write_shares(plan.folder / SHARES_FILE, lesson.shares)
    count = plan.fleet.job.validators
    seeds = [drawn(plan.seed, "validator", number) for number in range(count)]
    files = found_chain(paced(plan.fleet, plan.speed), lesson.graph, plan.seed)
    files.write(plan.folder / CHAIN_FOLDER)
    for number, seed in enumerate(seeds):
        folder = validator_folder(plan.folder, number)
        folder.mkdir()
        write_new(folder / "validator.key", seed.hex().encode() + b"\n", 0o600)
    (plan.folder / ACL_FILE).write_text(acl_text(access_list(files)))
    return files


def found_chain(fleet: Fleet, graph: bytes, seed: int) -> ChainFiles:
    """The same chain for the same fleet, graph and seed, as in `simulate`."""
    job = fleet.job
    rules = job.rules()
    params = make_params(graph, {**rules, **election_rules(job.validators, rules)})
    params = replace(params, registrations_max=min(REGISTRATIONS_PER_BLOCK_MAX, fleet.devices))
    keys = tuple(Signer(drawn(seed, "validator", number)).public_key for number in range(job.validators))
    founders = Founders(keys, (Signer(drawn(seed, "owner", 0)).public_key,))
    return found(graph, founders, params, MIDNIGHT_MS // 1000)


def make_server(folder: Path, files: ChainFiles) -> MqttServerProcess:
    """A Mosquitto with the chain's access list, not started; the embedded server is too slow for a fleet."""
    binary = find_binary()
    if binary is None:
        raise MqttServerError("mosquitto is not installed; run: apt install mosquitto, or name one: --mqtt")
    return local_server(folder, access_list(files), binary)
