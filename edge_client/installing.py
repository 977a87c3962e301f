"""Making a device a service of systemd, and taking the service away again."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.runtime.files import replace, replace_link, write_new
from edge_client.service_unit import STATES, Service, ServiceError

SYSTEMD_RUNS = Path("/run/systemd/system")
UNIT_MARK = "# Written by `edge-client install-service`"
SYSTEMD_MIN = 247
"""The first with LoadCredential."""

Run = Callable[[Sequence[str]], str]
"""Runs a command and returns what it printed; raises `ServiceError` when it fails."""


def install(service: Service, written: dict[Path, str], run: Run) -> None:
    """Move the key, write the files, start the service now and at each boot."""
    _require_systemd(service, run)
    _require_own_unit(service)
    _move_key(service)
    for path, text in written.items():
        place = service.here(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        replace(place, text.encode())
    for command in start_commands(service):
        run(command)


def start_commands(service: Service) -> list[list[str]]:
    """What makes systemd read the unit and run it; `restart`, because it may run with an older unit."""
    systemctl = "systemctl"
    return [
        [systemctl, "daemon-reload"],
        [systemctl, "enable", service.unit.name],
        [systemctl, "restart", service.unit.name],
    ]


def uninstall(service: Service, run: Run, *, purge: bool) -> None:
    """Stop it and take its unit away; with `purge` state and key, too. Whoever runs this is root: nothing is
    touched that is not certain to be a device's."""
    _require_own_unit(service)
    paths = doomed(service) if purge else []
    if service.here(service.unit).exists():
        run(["systemctl", "disable", "--now", service.unit.name])
        service.here(service.unit).unlink()
        shutil.rmtree(service.here(service.drop_in).parent, ignore_errors=True)
        run(["systemctl", "daemon-reload"])
    elif not paths:
        raise ServiceError(
            f"there is no service {service.name} ({service.unit} is missing), and nothing was deleted"
        )
    for path in paths:
        _remove(service.here(path))
    if paths:
        with suppress(OSError):  # not empty: somebody else's
            service.here(service.key.parent).rmdir()


def doomed(service: Service) -> list[Path]:
    """What `uninstall --purge` deletes for ever: the state, where it is a device's, and the key."""
    states = [service.state, STATES[1] / service.name]
    is_device = any((service.here(path) / CONFIG_FILE).exists() for path in states)
    paths = [*(states if is_device else ()), service.key]
    return [path for path in paths if service.here(path).exists() or service.here(path).is_symlink()]


def run_command(command: Sequence[str]) -> str:
    """Run it and return its output; raises `ServiceError` with its own words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (ours, no shell)
    except OSError as error:
        raise ServiceError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode:
        raise ServiceError(
            f"'{' '.join(command)}' failed: {' '.join(done.stderr.split()) or done.returncode}"
        )
    return done.stdout


def _require_systemd(service: Service, run: Run) -> None:
    if not service.here(SYSTEMD_RUNS).is_dir():
        raise ServiceError(
            "systemd does not run here; let what starts your services run: "
            f"edge-client run --state {service.state}"
        )
    found = re.match(r"systemd (\d+)", run(["systemctl", "--version"]))
    if found and int(found[1]) < SYSTEMD_MIN:
        raise ServiceError(
            f"systemd {found[1]} cannot hand over a key; version {SYSTEMD_MIN} or later is needed"
        )


def _require_own_unit(service: Service) -> None:
    """A state folder that is named like another service must not cost that one its unit."""
    unit = service.here(service.unit)
    if unit.exists() and not unit.read_text(encoding="utf-8", errors="replace").startswith(UNIT_MARK):
        raise ServiceError(
            f"{service.unit} was not written by edge-client and is left alone; rename the state folder"
        )


def _move_key(service: Service) -> None:
    """To where only root reads it; a link stays, for root's own `edge-client status`."""
    old, new = service.here(service.state) / KEY_FILE, service.here(service.key)
    if old.is_symlink() or not old.exists():
        return
    new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        write_new(new, old.read_bytes(), 0o600)
    except FileExistsError:
        raise ServiceError(
            f"{service.key} exists already and is never overwritten; move it away first"
        ) from None
    replace_link(old, service.key)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
