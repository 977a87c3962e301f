"""The unit file of a device as a service of systemd, and where such a service keeps its things.

The service runs as a user that exists only while it runs (DynamicUser), sees little of the machine, and gets
its key from systemd (LoadCredential): the key lies in /etc/NAME, where only root reads it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from edge_client.adapters.data.python_call import PythonCall
from edge_client.config import DeviceConfig
from edge_client.device_folder import KEY_FILE

STATES = (Path("/var/lib"), Path("/var/lib/private"))
"""Where systemd keeps the state of services; in the second, behind a link, that of users who come and go."""
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
"""Hidden from the service (ProtectHome), but for what is bound into its view."""
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - where nothing may lie
"""Each service has its own of these (DynamicUser implies PrivateTmp), and they are emptied."""
JETSON_MODEL = Path("/proc/device-tree/compatible")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z0-9/._+@,=~-]+")


class ServiceError(Exception):
    """The device cannot be a service; the text is one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Service:
    """One device as a service: everything is named after its state folder, /var/lib/NAME. Paths are as the
    service sees them; `root` is where this machine's `/` is found."""

    name: str
    root: Path

    @property
    def state(self) -> Path:
        """The folder of the device."""
        return STATES[0] / self.name

    @property
    def key(self) -> Path:
        """The key, for root alone."""
        return Path("/etc") / self.name / KEY_FILE

    @property
    def unit(self) -> Path:
        """The unit file."""
        return Path("/etc/systemd/system") / f"{self.name}.service"

    @property
    def drop_in(self) -> Path:
        """What is added on a Jetson."""
        return self.unit.with_name(f"{self.unit.name}.d") / "jetson.conf"

    def here(self, path: Path) -> Path:
        """Where a path of the service lies on this machine."""
        return self.root / path.relative_to("/")


def service_of(folder: Path, root: Path = Path("/")) -> Service:
    """The service of this state folder; raises `ServiceError` when systemd could not keep it."""
    path = "/" / folder.absolute().relative_to(root)
    if path.parent not in STATES or not _NAME.fullmatch(path.name):
        raise ServiceError(
            f"a service keeps its state in /var/lib/NAME (small letters, digits, '-'), not in {folder}; "
            f"to make a service of this device, stop it and run: mv {folder} /var/lib/edge-client"
        )
    return Service(path.name, root)


def service_files(service: Service, config: DeviceConfig) -> dict[Path, str]:
    """What is written, by path; raises `ServiceError` when the service could not read what it needs."""
    own_key = config.identity.key_file.parent == service.here(service.state)
    bindings = sorted({*_program(), *_readable(service, config)})
    for path in bindings:
        if not _PLAIN.fullmatch(str(path)):
            raise ServiceError(
                f"systemd would not understand the path '{path}'; rename it without spaces or %"
            )
    text = {
        "NAME": service.name,
        # -I: nothing is imported from the working folder, the environment or a user's packages.
        "COMMAND": f"{sys.executable} -I -m edge_client.cli",
        "STATE": str(service.state),
        "KEY": str(service.key if own_key else config.identity.key_file),
        "BINDINGS": "\n".join(f"BindReadOnlyPaths={path}" for path in bindings) or "# nothing below /home",
    }
    written = {service.unit: _filled("edge-client.service", text)}
    if _is_jetson(service):
        written[service.drop_in] = _filled("jetson.conf", text)
    return written


def _filled(template: str, text: dict[str, str]) -> str:
    """The template, with @KEY@ replaced."""
    filled = files("edge_client").joinpath("units").joinpath(template).read_text(encoding="utf-8")
    for key, value in text.items():
        filled = filled.replace(f"@{key}@", value)
    return filled


def _is_jetson(service: Service) -> bool:
    try:
        return b"nvidia,tegra" in service.here(JETSON_MODEL).read_bytes()
    except OSError:
        return False


def _program() -> Iterator[Path]:
    """Folders of Python and of this package, as far as they lie in a home."""
    package = Path(str(files("edge_client"))).parent
    for path in {Path(sys.prefix), Path(sys.base_prefix), package}:
        _refuse_temporary(path, "install edge-client elsewhere, for example in /opt/edge-client")
        if _hidden(path):
            yield path


def _readable(service: Service, config: DeviceConfig) -> Iterator[Path]:
    """Folders of data and certificates that must be bound; checks that any user may read them. A folder is
    bound, not the file, because a file that is replaced would stay the old one."""
    for path in _needed(config, service.here(service.state)):
        if path.is_relative_to(service.here(service.state)):
            continue
        _refuse_temporary(path, "move it, and name its new place in the configuration")
        folder = path if path.is_dir() else path.parent
        for one, bits in ((folder, 0o005), (path, 0o004)):
            if one.exists() and one.stat().st_mode & bits != bits:
                raise ServiceError(f"the service's user cannot read {one}; run: chmod o+rX {one}")
        if _hidden(folder):
            if folder.parent == HOMES[0] or folder in HOMES:
                raise ServiceError(
                    f"the service would see all of {folder}; put {path.name} into a folder of its own"
                )
            yield folder


def _needed(config: DeviceConfig, state: Path) -> Iterator[Path]:
    source = config.own_data(state).source
    path = source.file if isinstance(source, PythonCall) else getattr(source, "path", None)
    mqtt = config.mqtt
    for one in (path, mqtt.ca_file, mqtt.cert_file, mqtt.key_file, mqtt.password_file):
        if one is not None:
            yield one.absolute()


def _refuse_temporary(path: Path, mend: str) -> None:
    if any(path.is_relative_to(folder) for folder in TEMPORARY):
        raise ServiceError(f"a service cannot see {path}, and it would not outlast a restart; {mend}")


def _hidden(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in HOMES)
