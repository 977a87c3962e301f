"""What `edge-client doctor` looks at, one small function per check."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from edge_client.adapters.data.own_data import OwnData
from edge_client.adapters.data.source import DataError
from edge_client.adapters.device_disk import DeviceDisk
from edge_client.config import CONFIG_FILE, DeviceConfig, read_config
from edge_client.core.trusted import TrustedHead
from edge_client.core.verify import CLOCK_DRIFT_MS
from edge_client.machine_checkup import Finding, Python, check_disk, check_machine, check_runtime
from edge_client.protocol.genesis import Genesis
from edge_client.protocol.keys import Signer, node_id
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.database import DatabaseError
from edge_client.runtime.keystore import KeyFileError, load_seed
from edge_client.runtime.mqtt_options import parse_server
from edge_client.runtime.settings import SettingsError
from edge_client.runtime.tls import TlsError, TlsOptions, client_context

CONNECT_TIMEOUT_S = 5.0
SERVERS = "servers"


def checkup(folder: Path, root: Path = Path("/")) -> list[Finding]:
    """All checks that can be made; without a configuration there are few.
    Files of the system are below `root`."""
    machine = [check_runtime(Python.here()), *check_machine(root)]
    try:
        config = read_config(folder)
    except SettingsError as error:
        return [Finding("config", False, str(error)), *machine]
    findings = [Finding("config", True, str(folder / CONFIG_FILE)), *machine, _key(config)]
    try:
        genesis, head = _stored(folder, config)
    except (DatabaseError, OSError) as error:
        findings.append(Finding("folder", False, str(error)))
    else:
        findings += [
            _folder(folder),
            check_disk(folder),
            _data(config.own_data(folder), genesis),
            _clock(genesis, head),
        ]
    return [*findings, _servers(config)]


def _stored(folder: Path, config: DeviceConfig) -> tuple[Genesis | None, TrustedHead | None]:
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        return disk.genesis(), disk.chain.head()
    finally:
        disk.close()


def _key(config: DeviceConfig) -> Finding:
    try:
        seed = load_seed(config.identity.key_file)
    except KeyFileError as error:
        return Finding("key", False, str(error))
    return Finding("key", True, f"device {node_id(Signer(seed).public_key)}")


def _folder(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK | os.X_OK):
        found = f"{folder} cannot be written by this user"
        return Finding("folder", False, found, f"sudo chown -R $USER {folder}")
    return Finding("folder", True, str(folder))


def _data(data: OwnData, genesis: Genesis | None) -> Finding:
    name = data.source.text
    if genesis is None:
        found = data.source.there()
        return Finding("data", found, f"{name} {'(not checked yet)' if found else 'is missing'}")
    try:
        loaded = data.load(genesis.manifest, SystemClock().now_ms())
    except DataError as error:
        return Finding("data", False, str(error))
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


def _servers(config: DeviceConfig) -> Finding:
    join, mqtt = config.chain.parsed(), config.mqtt
    tls = TlsOptions(mqtt.ca_file, join.ca_sha256, mqtt.cert_file, mqtt.key_file)
    failures = [why for url in join.servers if (why := _unreachable(url, tls)) is not None]
    if len(failures) == len(join.servers):
        return Finding(SERVERS, False, "; ".join(failures))
    return Finding(SERVERS, True, f"{len(join.servers) - len(failures)} of {len(join.servers)} reachable")


def _unreachable(url: str, tls: TlsOptions) -> str | None:
    server = parse_server(url)
    try:
        with socket.create_connection((server.host, server.port), CONNECT_TIMEOUT_S) as link:
            if server.tls:
                context = client_context(tls, server.host, server.port, CONNECT_TIMEOUT_S)
                context.wrap_socket(link, server_hostname=server.host).close()
    except (OSError, TlsError) as error:
        return f"{url}: {error}"
    return None
