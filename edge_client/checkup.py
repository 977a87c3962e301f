"""What `edge-client doctor` looks at, one small function per check."""

from __future__ import annotations

import os
from pathlib import Path

from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.data.source import DataError
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.config import DeviceConfig, read_config
from edge_client.core.trusted import TrustedHead
from edge_client.core.verify import CLOCK_DRIFT_MS
from edge_client.device_folder import CONFIG_FILE
from edge_client.machine_checkup import DISK, Finding, Python, check_disk, check_machine, check_runtime
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import Signer, node_id
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.database import DatabaseDiskError, DatabaseError
from edge_client.runtime.keystore import KeyFileError, load_seed
from edge_client.runtime.settings import SettingsError
from edge_client.server_checkup import check_servers

REBUILD = "a damaged file: stop the device, move agent.db, -wal and -shm away (never the key), start it again"
"""What else can be wrong with the database says its own way out."""
DATA = (
    "look at data.source in edge-client.toml; `edge-client data check` shows what is wrong with the samples"
)


def checkup(folder: Path, root: Path = Path("/")) -> list[Finding]:
    """All checks that can be made; without a configuration there are few.
    Files of the system are below `root`."""
    machine = [check_runtime(Python.here()), *check_machine(root)]
    try:
        config = read_config(folder)
    except SettingsError as error:
        mend = f"edit {folder / CONFIG_FILE}; where there is none: edge-client init --state {folder}"
        return [Finding("config", False, str(error), mend), *machine]
    key, device = _key(config)
    findings = [Finding("config", True, str(folder / CONFIG_FILE)), *machine, key]
    try:
        genesis, head = _stored(folder, config)
    except DatabaseDiskError as error:
        findings += [Finding("folder", False, str(error), DISK), check_disk(folder)]
    except (DatabaseError, OSError) as error:
        findings.append(Finding("folder", False, str(error), REBUILD))
    else:
        findings += [
            _folder(folder),
            check_disk(folder),
            _data(config.own_data(folder), genesis),
            _clock(genesis, head),
        ]
    return [*findings, *check_servers(folder, config, device)]


def _stored(folder: Path, config: DeviceConfig) -> tuple[Genesis | None, TrustedHead | None]:
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        return disk.genesis(), disk.chain.head()
    finally:
        disk.close()


def _key(config: DeviceConfig) -> tuple[Finding, str]:
    """With the device's id; empty without a key."""
    file = config.identity.key_file
    try:
        seed = load_seed(file)
    except KeyFileError as error:
        mend = f"chmod 600 {file}; where it is lost, put back the copy you made: it is the device's account"
        return Finding("key", False, str(error), mend), ""
    device = node_id(Signer(seed).public_key)
    return Finding("key", True, f"device {device}"), device


def _folder(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK | os.X_OK):
        found = f"{folder} cannot be written by this user"
        return Finding("folder", False, found, f"sudo chown -R $USER {folder}")
    return Finding("folder", True, str(folder))


def _data(data: OwnData, genesis: Genesis | None) -> Finding:
    name = data.source.text
    if genesis is None:
        found = data.source.there()
        mend = "" if found else DATA
        return Finding("data", found, f"{name} {'(not checked yet)' if found else 'is missing'}", mend)
    try:
        loaded = data.load(genesis.manifest, SystemClock().now_ms())
    except DataError as error:
        return Finding("data", False, str(error), DATA)
    counts = f"{len(loaded.train)} samples to train on, {loaded.hold_out_count} held out"
    return Finding("data", True, f"{counts}, in {name}")


def _clock(genesis: Genesis | None, head: TrustedHead | None) -> Finding:
    if genesis is None:
        return Finding("clock", True, "nothing to compare with yet")
    chain_ms = (genesis.t0_s + (head.time_s if head else 0)) * 1000
    behind_ms = chain_ms - SystemClock().now_ms()
    if behind_ms > CLOCK_DRIFT_MS:
        return Finding(
            "clock", False, f"{behind_ms // 1000} s behind the chain", "sudo timedatectl set-ntp true"
        )
    return Finding("clock", True, "not behind the chain")
