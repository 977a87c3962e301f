"""Configuration of a device: `edge-client.toml` in its state folder, written by `edge-client init`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edge_client.adapters.data.own_data import DataOptions, OwnData
from edge_client.adapters.data.parse import FORMS, parse_source
from edge_client.adapters.hook import parse_command
from edge_client.core.bursts import Sleep
from edge_client.core.conditions.limits import GATES, OWNER_GATE, Limits
from edge_client.core.verify import TRUSTING_PERIOD_D
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.protocol.join import Join, JoinError, parse_join
from edge_client.protocol.topics import Topics
from edge_client.runtime.mqtt_options import MqttLimits, MqttOptions, parse_server
from edge_client.runtime.settings import SettingsError, read_settings, toml_string
from edge_client.runtime.tls import TlsOptions
from edge_client.runtime.transport import Will

TRUSTING_PERIOD_D_MAX = 36_500
THREADS_MAX = 64
KEEPALIVE_S_MAX = 65_535


@dataclass(frozen=True, slots=True)
class ChainSection:
    """The chain to join."""

    join: str
    trusting_period_d: int = TRUSTING_PERIOD_D
    """Days for which a verified header is a good start; 0 is for ever."""

    def __post_init__(self) -> None:
        try:
            parse_join(self.join)
        except JoinError as error:
            raise ValueError(f"join cannot be used: {error}") from error
        if not 0 <= self.trusting_period_d <= TRUSTING_PERIOD_D_MAX:
            raise ValueError(
                f"trusting_period_d must be 0 to {TRUSTING_PERIOD_D_MAX}, not {self.trusting_period_d}"
            )

    def parsed(self) -> Join:
        """The join string, taken apart."""
        return parse_join(self.join)


@dataclass(frozen=True, slots=True)
class IdentitySection:
    """Who this device is."""

    key_file: Path


@dataclass(frozen=True, slots=True)
class MqttSection:
    """How to reach and trust the MQTT servers of the join string."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    password_file: Path | None = None
    keepalive_s: int = MqttLimits().keepalive_s
    sleep: str = Sleep.AUTO.value

    def __post_init__(self) -> None:
        settings = [setting.value for setting in Sleep]
        if self.sleep not in settings:
            raise ValueError(f"sleep must be one of {', '.join(settings)}, not '{self.sleep}'")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together: give both or none")
        if not 5 <= self.keepalive_s <= KEEPALIVE_S_MAX:
            raise ValueError(f"keepalive_s must be 5 to {KEEPALIVE_S_MAX}, not {self.keepalive_s}")


@dataclass(frozen=True, slots=True)
class DataSection:
    """What the device learns from, and how much of it."""

    source: str
    keep_samples: int | None = None
    keep_days: int | None = None
    classes: tuple[str, ...] = ()
    label_column: str = ""
    time_column: str = ""

    def __post_init__(self) -> None:
        self.own(Path())
        for name in ("keep_samples", "keep_days"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, not {value}; leave it out to keep all")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("classes names a class twice")
        for name in ("label_column", "time_column"):
            if getattr(self, name) and not self.source.startswith("csv:"):
                raise ValueError(f"{name} is for csv: sources only")

    def own(self, folder: Path) -> OwnData:
        """The data, paths relative to `folder`; raises `ValueError`."""
        columns = {"label_column": self.label_column, "time_column": self.time_column}
        source = parse_source(self.source, folder, **columns)
        return OwnData(source, DataOptions(self.classes, self.keep_samples, self.keep_days))


@dataclass(frozen=True, slots=True)
class TrainingSection:
    """How the device trains."""

    threads: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= THREADS_MAX:
            raise ValueError(f"threads must be 1 to {THREADS_MAX}, not {self.threads}")


@dataclass(frozen=True, slots=True)
class HooksSection:
    """What of the owner's is run."""

    model_updated: str = ""

    def __post_init__(self) -> None:
        parse_command(self.model_updated)


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """All of `edge-client.toml`."""

    chain: ChainSection
    identity: IdentitySection
    data: DataSection
    mqtt: MqttSection = field(default_factory=MqttSection)
    training: TrainingSection = field(default_factory=TrainingSection)
    hooks: HooksSection = field(default_factory=HooksSection)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        tls = (self.mqtt.ca_file, self.mqtt.cert_file)
        if any(tls) and not any(url.startswith("mqtts:") for url in self.chain.parsed().servers):
            raise ValueError("mqtt has certificate files, but no server of the join string is mqtts://")
        if OWNER_GATE in self.limits.ignore:
            raise ValueError(f"limits must not ignore '{OWNER_GATE}': `pause` would do nothing")

    def own_data(self, folder: Path) -> OwnData:
        """The data to learn from; relative to the state folder."""
        return self.data.own(folder)

    def mqtt_options(self, client_id: str, will: Will) -> MqttOptions:
        """For the transport; raises `SettingsError` when the password file cannot be read."""
        join, mqtt = self.chain.parsed(), self.mqtt
        tls = TlsOptions(mqtt.ca_file, join.ca_sha256, mqtt.cert_file, mqtt.key_file)
        return MqttOptions(
            servers=tuple(parse_server(url) for url in join.servers),
            client_id=client_id,
            password=None if mqtt.password_file is None else _read_password(mqtt.password_file),
            tls=tls,
            will=will,
            at_most_once=Topics.of(join.chain_id).chunk_filters(client_id),
            limits=MqttLimits(keepalive_s=mqtt.keepalive_s),
        )


def read_config(folder: Path) -> DeviceConfig:
    """The configuration of the device in this state folder; raises `SettingsError`."""
    return read_settings(folder / CONFIG_FILE, DeviceConfig)


def device_toml(join: str, source: str, *, always: bool = False) -> str:
    """A commented `edge-client.toml`; with `always` only the owner's word keeps it from training. Raises
    `ValueError` for a source that no file can hold."""
    return f"""# A device; start it with: edge-client run --state THIS_FOLDER
# Relative paths are taken from this file's folder.
[chain]
join = "{join}"   # may hold a voucher: keep it to yourself
# trusting_period_d = {TRUSTING_PERIOD_D}   # after a longer sleep the owner must vouch for a header; 0: never

[identity]
key_file = "{KEY_FILE}"   # Ed25519 seed; losing it is losing the device's account

[data]
source = {toml_string(source)}   # {FORMS}
# keep_samples = 10000         # use the newest so many samples only
# keep_days = 30               # use samples of the last so many days only
# classes = ["no", "yes"]      # names of the classes in the order of their numbers
# label_column = "class"       # of a csv: source with a header line; left out: the last column
# time_column = "time"         # of a csv: source; seconds since 1970, for keep_days

[mqtt]
# ca_file = "ca.pem"           # the authority that signed the servers' certificates
# cert_file = "device.pem"     # client certificate, common name = node id
# key_file = "device.pem.key"
# password_file = "mqtt.password"
# keepalive_s = {MqttSection().keepalive_s}
# sleep = "{MqttSection().sleep}"   # radio off between rounds: "auto" (battery, modem), "always", "never"

[training]
# threads = 1

{_limits_toml(always=always)}
[hooks]
# model_updated = "systemctl --user try-restart my-service"   # run when a new model is there, without a shell
"""


def _limits_toml(*, always: bool) -> str:
    """Section `[limits]` with its defaults, commented out."""
    ignored = ", ".join(f'"{gate}"' for gate in GATES if gate != OWNER_GATE)
    ignore = f"ignore = [{ignored}]" if always else '# ignore = ["rounds", "cpu"]'
    return f"""[limits]   # training waits while one of them is passed: `edge-client why`
# enabled = true
# hours = "any"                # "night", or like "22:00-06:30", local time
# rounds_a_day = {Limits().rounds_a_day}
# session_min = {Limits().session_min}             # minutes of training in one round
# require_mains = true         # left out: if a battery is seen
# battery_start_pct = {Limits().battery_start_pct}       # on battery: begin above, stop below
# battery_stop_pct = {Limits().battery_stop_pct}
# temperature_c_max = {Limits().temperature_c_max}       # goes on 5 degrees below
# metered = false              # true: also over links that cost money, up to data_cap_metered_mb
# data_cap_mb = {Limits().data_cap_mb}            # a month, up and down
# data_cap_metered_mb = {Limits().data_cap_metered_mb}
# cpu_pressure_pct_max = {Limits().cpu_pressure_pct_max}    # share of time in which others wait
# memory_pressure_pct_max = {Limits().memory_pressure_pct_max}
# io_pressure_pct_max = {Limits().io_pressure_pct_max}
# memory_mb_max = 150          # of the agent; left out: 40 % of the board's, 512 at most
# disk_mb_max = {Limits().disk_mb_max}
# disk_free_pct_min = {Limits().disk_free_pct_min}
{ignore}   # gates that are not asked, on a board that does nothing else
"""


def _read_password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the password file {path}: {error}") from error
