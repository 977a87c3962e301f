"""Which MQTT server to start when nobody runs one: Mosquitto if installed, otherwise the embedded one."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from broker.mqtt_server import embedded, mosquitto
from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.process import MqttServerError, MqttServerProcess

Choice = Literal["auto", "embedded", "mosquitto"]
CHOICES: tuple[Choice, ...] = ("auto", "embedded", "mosquitto")


def local_server(
    choice: Choice, folder: Path, access: AccessList, port: int | None = None
) -> MqttServerProcess:
    """A server for this machine, not started yet; MqttServerError when the chosen one is not installed."""
    binary = mosquitto.find_binary()
    if choice == "mosquitto" and binary is None:
        raise MqttServerError(
            "mosquitto is not installed; run: apt install mosquitto, or use the embedded one"
        )
    if binary is not None and choice != "embedded":
        return mosquitto.local_server(folder, access, binary, port)
    if not embedded.available():
        raise MqttServerError(
            "the embedded MQTT server is not installed; run: pip install 'edge-client[fleet]'"
        )
    return embedded.local_server(folder, access, port)
