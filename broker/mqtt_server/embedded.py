"""A small MQTT server for demo and tests that comes with `pip install`: amqtt, on this machine only.

It speaks MQTT 3.1.1 and keeps everything in memory. It runs as a child process (`amqtt_server.py`), so that
tests can kill it and its work does not share an interpreter lock with anybody.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.process import LOOPBACK, MqttServerProcess, free_port
from edge_client.runtime.mqtt_options import ServerAddress

SETTINGS_FILE = "embedded.json"


def available() -> bool:
    """Whether amqtt is installed."""
    return find_spec("amqtt") is not None


def local_server(folder: Path, access: AccessList, port: int | None = None) -> MqttServerProcess:
    """A server on a free port of the loopback interface; writes its settings to `folder`."""
    address = ServerAddress(LOOPBACK, port or free_port())
    settings = {"port": address.port, "chain": access.chain, "validators": sorted(access.validators)}
    settings_file = folder / SETTINGS_FILE
    settings_file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "broker.mqtt_server.amqtt_server", str(settings_file)]
    return MqttServerProcess("embedded", address, command, folder / "embedded.log")
