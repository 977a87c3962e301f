"""Setting the stage: the chain and its keys from the seed, shares of the data, the MQTT server's files."""

from __future__ import annotations

from pathlib import Path

from broker.founding import ChainFiles
from broker.founding_folder import access_list
from broker.mqtt_server.mosquitto import ACL_FILE, acl_text, find_binary, local_server
from broker.mqtt_server.process import MqttServerError, MqttServerProcess
from edge_client.adapters.device_database import open_device_database
from edge_client.runtime.files import write_new
from firmware_profiles.emulate.plan import (
    CHAIN_FOLDER,
    NEW_DEVICE_FOLDER,
    SHARES_FILE,
    Emulation,
)
from firmware_profiles.emulate.validators import validator_folder
from firmware_profiles.lesson.digits import Lesson
from firmware_profiles.lesson.shares import write_shares


def set_stage(plan: Emulation, lesson: Lesson) -> ChainFiles:
    """Write all files to the (new) folder; every part of a fleet that is spread over hosts founds the same
    chain. Raises `FileExistsError` when something is there already."""
    (plan.folder / "devices").mkdir(parents=True)
    open_device_database(plan.folder / NEW_DEVICE_FOLDER).close()
    write_shares(plan.folder / SHARES_FILE, lesson.shares)
    files = plan.founding.chain(lesson.graph)
    files.write(plan.folder / CHAIN_FOLDER)
    for number in range(plan.fleet.job.validators):
        folder = validator_folder(plan.folder, number)
        folder.mkdir()
        key = plan.founding.validator_seed(number).hex()
        write_new(folder / "validator.key", f"{key}\n".encode(), 0o600)
    (plan.folder / ACL_FILE).write_text(acl_text(access_list(files)))
    return files


def make_server(folder: Path, files: ChainFiles) -> MqttServerProcess:
    """A Mosquitto with the chain's access list, not started; the embedded server is too slow for a fleet."""
    binary = find_binary()
    if binary is None:
        raise MqttServerError("mosquitto is not installed; run: apt install mosquitto, or name one: --mqtt")
    return local_server(folder, access_list(files), binary)
