"""Configuration of a validator (`validator.toml`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from broker.core.consensus.events import Timing
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, ServerAddress, parse_server
from edge_client.runtime.send_queue import QueueLimits
from edge_client.runtime.settings import toml_string
from edge_client.runtime.tls import TlsOptions

WINDOW_MESSAGES = 32
QUEUE_MESSAGES_MAX = 16_384
QUEUE_BYTES_MAX = 64 << 20
RECONNECT_WAIT_MS_MAX = 5_000
"""Devices wait up to a minute so as not to come back in a wave; validators are few, and all wait for them."""
_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class ValidatorSection:
    """Who this validator is and where it keeps things."""

    key_file: Path
    chain_dir: Path
    state_dir: Path


@dataclass(frozen=True, slots=True)
class MqttSection:
    """The MQTT servers; a validator is on all of them at once, so that devices may sit on any."""

    servers: tuple[str, ...]
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if not self.servers:
            raise ValueError("servers must name at least one MQTT server, like mqtts://host:8883")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together: give both or none")

    def addresses(self) -> tuple[ServerAddress, ...]:
        """Parsed; raises `ServerUrlError`."""
        return tuple(parse_server(url) for url in self.servers)

    def options(self, client_id: str) -> list[MqttOptions]:
        """One for each server; a validator's window is wide because its peers are near."""
        limits = MqttLimits(
            queue=QueueLimits(QUEUE_MESSAGES_MAX, QUEUE_BYTES_MAX),
            window_messages=WINDOW_MESSAGES,
            reconnect_wait_ms_max=RECONNECT_WAIT_MS_MAX,
        )
        tls = TlsOptions(ca_file=self.ca_file, cert_file=self.cert_file, key_file=self.key_file)
        return [MqttOptions((one,), client_id, tls=tls, limits=limits) for one in self.addresses()]


@dataclass(frozen=True, slots=True)
class TimingSection:
    """Waiting times of consensus, in milliseconds."""

    slot_timeout_ms: int = _TIMING.slot_timeout_ms
    slot_timeout_ms_max: int = _TIMING.slot_timeout_max_ms

    def __post_init__(self) -> None:
        if not 100 <= self.slot_timeout_ms <= self.slot_timeout_ms_max:
            raise ValueError("slot_timeout_ms must be at least 100 and not above slot_timeout_ms_max")

    def timing(self) -> Timing:
        """For consensus."""
        return Timing(slot_timeout_ms=self.slot_timeout_ms, slot_timeout_max_ms=self.slot_timeout_ms_max)


@dataclass(frozen=True, slots=True)
class ValidatorConfig:
    """All of `validator.toml`."""

    validator: ValidatorSection
    mqtt: MqttSection
    timing: TimingSection = field(default_factory=TimingSection)


def validator_toml(servers: tuple[str, ...], ca_file: str | None = None) -> str:
    """A commented `validator.toml` for a validator folder beside `chain/`. Raises `ValueError` for a path
    that no file can hold."""
    quoted = ", ".join(f'"{server}"' for server in servers)
    ca_line = f"ca_file = {toml_string(ca_file)}" if ca_file else '# ca_file = "ca.pem"'
    return f"""# A validator; start it with: edge-broker validator THIS_FOLDER
# Paths are taken from this file's folder.
[validator]
key_file = "validator.key"   # Ed25519 seed; never leaves this machine
chain_dir = "../chain"       # genesis, training graph, initial model
state_dir = "state"          # chain, log and update bodies

[mqtt]
servers = [{quoted}]
{ca_line}
# cert_file = "cert.pem"     # client certificate, common name = node id
# key_file = "cert.key"

[timing]
# slot_timeout_ms = {_TIMING.slot_timeout_ms}   # of one consensus attempt; doubles when it fails
"""
