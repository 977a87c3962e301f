"""The unit that `edge-client install-service` writes, judged by systemd's own tools where they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_client import service_unit
from edge_client.cli import main
from edge_client.config import DeviceConfig, device_toml, read_config
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.installing import SYSTEMD_RUNS, doomed, install, uninstall
from edge_client.protocol.join import Join
from edge_client.runtime.keystore import create_seed, load_seed
from edge_client.service_unit import JETSON_MODEL, Service, ServiceError, service_files, service_of

EXPOSURE_MAX = 1.5
JOIN = Join(("mqtt://one",), bytes(range(32))).text()
analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A device in /var/lib/edge-client of a machine that lies in a folder."""
    monkeypatch.setattr(service_unit, "TEMPORARY", (tmp_path / "tmp",))
    folder = tmp_path / "var/lib/edge-client"
    folder.mkdir(parents=True)
    (tmp_path / str(SYSTEMD_RUNS)[1:]).mkdir(parents=True)
    create_seed(folder / KEY_FILE)
    (folder / "data.npz").touch()
    (folder / CONFIG_FILE).write_text(device_toml(JOIN, "npz:data.npz"))
    return service_of(folder, tmp_path)


def config_of(service: Service, source: str | None = None) -> DeviceConfig:
    config = read_config(service.here(service.state))
    return config if source is None else replace(config, data=replace(config.data, source=source))


class Commands:
    """Runs nothing; remembers."""

    def __init__(self, version: int = 252) -> None:
        self.version, self.run = version, list[str]()

    def __call__(self, command: Sequence[str]) -> str:
        self.run.append(" ".join(command))
        return f"systemd {self.version} ({self.version}.1)\n+PAM\n" if "--version" in command else ""


def settings(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"[A-Z]\w+=", line))


@analyze
def test_systemd_finds_it_hardened(service: Service, tmp_path: Path) -> None:
    for path, text in service_files(service, config_of(service)).items():
        (tmp_path / path.name).write_text(text)
    unit = str(tmp_path / service.unit.name)
    command = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--no-pager",
        f"--threshold={EXPOSURE_MAX * 10:.0f}",
    ]
    judged = subprocess.run([*command, unit], capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found, judged.stdout + judged.stderr
    assert float(found[1]) <= EXPOSURE_MAX


@analyze
def test_systemd_understands_every_line(service: Service, tmp_path: Path) -> None:
    (tmp_path / service.unit.name).write_text(service_files(service, config_of(service))[service.unit])
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / service.unit.name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in verified.stderr.splitlines() if service.unit.name in line] == []


def test_the_agent_is_watched_and_gets_its_key_from_systemd(service: Service) -> None:
    unit = settings(service_files(service, config_of(service))[service.unit])
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) >= 60
    assert unit["LoadCredential"] == f"{KEY_FILE}:/etc/edge-client/{KEY_FILE}"
    assert unit["StateDirectory"] == "edge-client"
    assert unit["RestartPreventExitStatus"] == "2 4"
    assert "--state /var/lib/edge-client --key-file ${CREDENTIALS_DIRECTORY}/device.key" in unit["ExecStart"]
    assert "@" not in unit["ExecStart"]


def test_what_it_runs_is_a_command_line_of_ours(service: Service) -> None:
    command = settings(service_files(service, config_of(service))[service.unit])["ExecStart"].split()
    arguments = command[command.index("run") :]
    context = main.make_context("edge-client", list(arguments), resilient_parsing=True)
    assert context is not None
    run = main.get_command(context, "run")
    assert run is not None
    known = {option for one in run.params for option in one.opts}
    assert {one for one in arguments if one.startswith("--")} <= known


@pytest.mark.parametrize(
    "compatible", [b"nvidia,p3768-0000\0nvidia,tegra234\0", b"raspberrypi,5-model-b\0", None]
)
def test_a_jetson_gets_a_drop_in(service: Service, compatible: bytes | None) -> None:
    if compatible is not None:
        model = service.here(JETSON_MODEL)
        model.parent.mkdir(parents=True)
        model.write_bytes(compatible)
    written = service_files(service, config_of(service))
    assert (service.drop_in in written) == (compatible is not None and b"tegra" in compatible)


def test_a_program_below_tmp_would_not_be_seen(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_unit, "TEMPORARY", (Path(sys.prefix),))
    with pytest.raises(ServiceError, match=r"install edge-client elsewhere"):
        service_files(service, config_of(service))


class TestData:
    @pytest.fixture(autouse=True)
    def homes(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(service_unit, "HOMES", (tmp_path / "home",))

    def data(self, service: Service, name: str, mode: int = 0o644) -> Path:
        path = service.root / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o755)
        path.touch(mode)
        path.chmod(mode)
        return path

    def test_in_a_home_their_folder_is_bound(self, service: Service) -> None:
        path = self.data(service, "me/sensor/data.npz")
        unit = service_files(service, config_of(service, f"npz:{path}"))[service.unit]
        assert f"BindReadOnlyPaths={path.parent}\n" in unit

    def test_below_tmp_they_would_not_be_seen(self, service: Service) -> None:
        with pytest.raises(ServiceError, match=r"cannot see .*/tmp/data.npz, .*; move it"):
            service_files(service, config_of(service, f"npz:{service.root}/tmp/data.npz"))

    def test_a_whole_home_is_not_shown(self, service: Service) -> None:
        path = self.data(service, "me/data.npz")
        with pytest.raises(ServiceError, match=r"put data\.npz into a folder of its own"):
            service_files(service, config_of(service, f"npz:{path}"))

    def test_that_only_their_owner_reads(self, service: Service) -> None:
        path = self.data(service, "me/sensor/data.npz", 0o600)
        with pytest.raises(ServiceError, match=f"chmod o\\+rX {path}"):
            service_files(service, config_of(service, f"npz:{path}"))

    def test_a_path_that_a_unit_cannot_name(self, service: Service) -> None:
        path = self.data(service, "me/my data/data.npz")
        with pytest.raises(ServiceError, match="without spaces"):
            service_files(service, config_of(service, f"npz:{path}"))


@pytest.mark.parametrize("name", ["home/me/fl", "var/lib/Fl", "var/lib/a b", "var/lib/x/y"])
def test_a_state_folder_that_systemd_cannot_keep(tmp_path: Path, name: str) -> None:
    with pytest.raises(ServiceError, match=r"mv .* /var/lib/edge-client"):
        service_of(tmp_path / name, tmp_path)


def test_installing_moves_the_key_and_starts(service: Service) -> None:
    state, commands = service.here(service.state), Commands()
    seed = load_seed(state / KEY_FILE)
    install(service, service_files(service, config_of(service)), commands)
    assert load_seed(service.here(service.key)) == seed
    assert service.here(service.key).parent.stat().st_mode & 0o077 == 0
    assert (state / KEY_FILE).readlink() == service.key
    assert commands.run[1:] == [
        "systemctl daemon-reload",
        "systemctl enable edge-client.service",
        "systemctl restart edge-client.service",
    ]
    install(service, service_files(service, config_of(service)), commands)
    assert load_seed(service.here(service.key)) == seed


def test_another_devices_key_is_never_overwritten(service: Service) -> None:
    service.here(service.key).parent.mkdir(parents=True)
    service.here(service.key).write_text("another\n")
    with pytest.raises(ServiceError, match="never overwritten"):
        install(service, {}, Commands())
    assert service.here(service.key).read_text() == "another\n"
    assert not (service.here(service.state) / KEY_FILE).is_symlink()


def test_systemd_that_is_too_old_or_not_there(service: Service) -> None:
    with pytest.raises(ServiceError, match="systemd 245 cannot hand over a key"):
        install(service, {}, Commands(245))
    service.here(SYSTEMD_RUNS).rmdir()
    with pytest.raises(ServiceError, match="systemd does not run here"):
        install(service, {}, Commands())
    assert not service.here(service.key).exists()


def test_uninstalling_keeps_state_and_key(service: Service) -> None:
    commands = Commands()
    install(service, service_files(service, config_of(service)), commands)
    uninstall(service, commands, purge=False)
    assert commands.run[-2:] == ["systemctl disable --now edge-client.service", "systemctl daemon-reload"]
    assert not service.here(service.unit).exists()
    assert service.here(service.key).exists()
    assert (service.here(service.state) / CONFIG_FILE).exists()
    with pytest.raises(ServiceError, match="there is no service edge-client"):
        uninstall(service, commands, purge=False)


def test_purging_leaves_nothing(service: Service) -> None:
    install(service, service_files(service, config_of(service)), Commands())
    state = service.here(service.state)
    private = state.parent / "private"
    private.mkdir()
    state.rename(private / service.name)  # as systemd does for a user who comes and goes
    state.symlink_to("private/edge-client")
    uninstall(service, Commands(), purge=True)
    assert doomed(service) == []
    left = [path.relative_to(service.root) for path in service.root.rglob("*") if not path.is_dir()]
    assert left == []


def test_nothing_of_others_is_purged(service: Service) -> None:
    """`--state /var/lib/dpkg`, typed by root, must cost nothing."""
    others = [
        service.here(Path(name)) for name in ("/var/lib/edge-client/status", "/etc/edge-client/other.conf")
    ]
    for path in (service.state, service.key.parent):
        shutil.rmtree(service.here(path), ignore_errors=True)
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert doomed(service) == []
    with pytest.raises(ServiceError, match="nothing was deleted"):
        uninstall(service, Commands(), purge=True)
    service.here(service.key).touch()
    uninstall(service, Commands(), purge=True)
    assert all(path.exists() for path in others)
    assert not service.here(service.key).exists()


def test_the_unit_of_another_service_is_left_alone(service: Service) -> None:
    unit = service.here(service.unit)
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text("[Service]\nExecStart=/usr/bin/other\n")
    commands = Commands()
    for act in (
        lambda: install(service, service_files(service, config_of(service)), commands),
        lambda: uninstall(service, commands, purge=True),
    ):
        with pytest.raises(ServiceError, match="was not written by edge-client"):
            act()
    assert "other" in unit.read_text()
    assert not [one for one in commands.run if "disable" in one or "restart" in one]


def test_the_command_elsewhere_ends_with_one_sentence(tmp_path: Path) -> None:
    for command in ("install-service", "uninstall"):
        result = CliRunner().invoke(main, [command, "--state", str(tmp_path)])
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        mend = "mv " if command == "install-service" else f"rm -r {tmp_path}"
        assert mend in result.stderr


def test_without_a_terminal_nothing_is_deleted_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_client.installing.doomed", lambda _service: [Path("/var/lib/x")])
    result = CliRunner().invoke(main, ["uninstall", "--purge", "--state", "/var/lib/x"])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--yes" in result.stderr
