"""Every reader on samples as boards show them (tests/fixtures/conditions), and on what is broken."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from edge_client.adapters.conditions.battery import (
    NONE_SEEN,
    Supply,
    first_supply,
    read_pisugar,
    read_power_supply,
)
from edge_client.adapters.conditions.board import Board, Roots
from edge_client.adapters.conditions.clock_sync import read_time_synced
from edge_client.adapters.conditions.heat import read_temperature, read_throttled
from edge_client.adapters.conditions.links import read_link
from edge_client.adapters.conditions.meters import read_meter
from edge_client.adapters.conditions.pause_file import PAUSE_FILE, PauseFile
from edge_client.adapters.conditions.pressure import read_pressure
from edge_client.adapters.conditions.system_bus import metered_of
from edge_client.adapters.conditions.traffic import MonthBytes, Spending
from edge_client.core.conditions.gates import Asked, verdicts
from edge_client.core.conditions.limits import Limits
from edge_client.core.conditions.readings import NEVER, Unknown
from edge_client.runtime.transport import Traffic

SAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "conditions"
NOW_MS = 1_800_000_000_000


def lay_out(folder: Path, sample: str) -> Path:
    """The files of a sample: a JSON object from path to content."""
    for name, content in json.loads((SAMPLES / f"{sample}.json").read_text()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def unknown(reading: object, why: str = "") -> bool:
    return isinstance(reading, Unknown) and why in reading.reason


def test_a_laptop_on_battery_and_its_mouse(tmp_path: Path) -> None:
    supply = read_power_supply(lay_out(tmp_path, "laptop") / "sys/class/power_supply")
    assert supply == Supply(True, False, 73.0, 48.5, 9.5)


def test_a_board_with_a_charger_chip_that_only_says_its_status(tmp_path: Path) -> None:
    supply = read_power_supply(lay_out(tmp_path, "charger_hat") / "sys/class/power_supply")
    assert (supply.has_battery, supply.mains, supply.battery_pct) == (True, True, 41.0)
    assert unknown(supply.battery_wh)
    assert supply.power_w == pytest.approx(2.035)


def test_no_supply_known(tmp_path: Path) -> None:
    assert read_power_supply(tmp_path) == NONE_SEEN
    assert unknown(NONE_SEEN.mains, "no power supply")


def test_the_first_source_that_sees_a_battery_is_believed() -> None:
    mains, battery = (
        Supply(False, True, *(NONE_SEEN.battery_pct,) * 2, NONE_SEEN.power_w),
        Supply(True, False, 50.0, NONE_SEEN.battery_wh, NONE_SEEN.power_w),
    )
    assert first_supply((lambda: NONE_SEEN, lambda: mains, lambda: battery)) == battery
    assert first_supply((lambda: NONE_SEEN, lambda: mains)) == mains


@pytest.mark.parametrize(("sample", "watts"), [("ina219", 3.264), ("jetson", 5.088 * 0.976)])
def test_meters(tmp_path: Path, sample: str, watts: float) -> None:
    found = read_meter(lay_out(tmp_path, sample) / "sys/class/hwmon")
    assert found == pytest.approx(watts)
    assert unknown(read_meter(tmp_path / "nowhere"))


def test_temperature_is_the_hottest_zone_that_is_one(tmp_path: Path) -> None:
    """The Jetson's PMIC always says 100 °C, and a zone that is off says -256."""
    heat, trip = read_temperature(lay_out(tmp_path, "jetson") / "sys/class/thermal")
    assert (heat, trip) == (51.5, 84.0)
    for reading in read_temperature(tmp_path / "nowhere"):
        assert unknown(reading)


def test_throttling_bits(tmp_path: Path) -> None:
    assert read_throttled(lay_out(tmp_path, "raspberry_pi") / "sys/devices/platform") == 0x50005
    assert unknown(read_throttled(tmp_path / "nowhere"))


def test_pressure_and_its_stand_in(tmp_path: Path) -> None:
    with_psi = read_pressure(lay_out(tmp_path / "a", "jetson") / "proc", 6)
    assert (with_psi.cpu_pct, with_psi.memory_pct, with_psi.io_pct) == (12.5, 0.0, 3.25)
    assert with_psi.memory_free_pct == pytest.approx(75)
    without = read_pressure(lay_out(tmp_path / "b", "raspberry_pi") / "proc", 4)
    assert without.cpu_pct == pytest.approx(20), "5 want to run, 4 can"
    assert unknown(without.memory_pct)
    for reading in (
        read_pressure(tmp_path / "c", 4).cpu_pct,
        read_pressure(tmp_path / "c", 4).memory_free_pct,
    ):
        assert unknown(reading)


def test_links(tmp_path: Path) -> None:
    wifi = read_link(
        *(lay_out(tmp_path / "a", "raspberry_pi") / name for name in ("proc/net", "sys/class/net"))
    )
    assert (wifi.kind, wifi.rssi_dbm) == ("wifi", -57.0)
    assert unknown(wifi.metered)
    modem = read_link(*(lay_out(tmp_path / "b", "modem") / name for name in ("proc/net", "sys/class/net")))
    assert (modem.kind, modem.metered) == ("modem", True)
    cable = read_link(*(lay_out(tmp_path / "c", "jetson") / name for name in ("proc/net", "sys/class/net")))
    assert cable.kind == "ethernet"
    assert unknown(read_link(tmp_path, tmp_path).kind)


@pytest.mark.parametrize(("word", "metered"), [(1, True), (2, False), (3, True), (4, False)])
def test_the_words_of_network_manager(word: int, metered: bool) -> None:
    assert metered_of(word) is metered
    assert unknown(metered_of(0))
    assert unknown(metered_of(Unknown("no bus")), "no bus")


def test_time_sync(tmp_path: Path) -> None:
    assert unknown(read_time_synced(tmp_path))
    (tmp_path / "systemd/timesync").mkdir(parents=True)
    assert read_time_synced(tmp_path) is False
    (tmp_path / "systemd/timesync/synchronized").touch()
    assert read_time_synced(tmp_path) is True


def test_pisugar(tmp_path: Path) -> None:
    """As its daemon answers; each question is a connection."""
    path = tmp_path / "pisugar.sock"
    answers = {"get battery": "battery: 84.1", "get battery_power_plugged": "battery_power_plugged: false"}
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        for _ in answers:
            link, _address = server.accept()
            with link:
                link.sendall(f"{answers[link.recv(100).decode().strip()]}\n".encode())

    thread = threading.Thread(target=serve)
    thread.start()
    supply = read_pisugar(path)
    thread.join()
    server.close()
    assert (supply.has_battery, supply.battery_pct, supply.mains) == (True, 84.1, False)
    assert read_pisugar(tmp_path / "nobody") == NONE_SEEN


RUBBISH = "\x00\xff not a number {"


@pytest.mark.parametrize("sample", ["laptop", "charger_hat", "ina219", "jetson", "raspberry_pi", "modem"])
@pytest.mark.parametrize("broken", [RUBBISH, "", None])
def test_whatever_a_file_says_a_look_is_a_look(tmp_path: Path, sample: str, broken: str | None) -> None:
    """Every file of every sample, one after the other: broken, empty, or a folder."""
    names = json.loads((SAMPLES / f"{sample}.json").read_text())
    state = tmp_path / "state"
    state.mkdir()
    for number, name in enumerate(["", *names]):
        root = lay_out(tmp_path / str(number), sample)
        if name and broken is None:
            (root / name).unlink()
            (root / name).mkdir()
        elif name:
            (root / name).write_text(broken or "", encoding="latin-1")
        roots = Roots(root / "sys", root / "proc", root / "run", root / "none", (), lambda: Unknown("-"))
        seen = Board(state, roots).look(NOW_MS, 0)
        assert len(verdicts(Asked(seen, Limits(), None, NOW_MS, False), frozenset())) == 12


def test_a_pause_survives_and_a_broken_one_is_still_a_pause(tmp_path: Path) -> None:
    file = PauseFile(tmp_path)
    assert (file.until_ms(), file.clear()) == (0, False)
    file.write(NOW_MS)
    assert PauseFile(tmp_path).until_ms() == NOW_MS
    file.write(NEVER)
    assert file.until_ms() == NEVER
    (tmp_path / PAUSE_FILE).write_text("")
    assert file.until_ms() == NEVER
    assert file.clear()
    assert file.until_ms() == 0


def test_bytes_of_the_month_survive_restarts(tmp_path: Path) -> None:
    months = MonthBytes(tmp_path)
    assert months.count("2026-11", 10, 20) == 30
    assert months.count("2026-11", 60_000, 60_000) == 120_000
    assert months.count("2026-11", 60_001, 60_001) == 120_002, "not saved yet"
    months.close()
    months = MonthBytes(tmp_path)
    assert months.count("2026-11", 0, 0) == 120_000, "two bytes less than a crash may forget"
    assert months.count("2026-11", 5, 0, save=True) == 120_005
    assert months.count("2026-12", 5, 3) == 3
    months.close()
    months = MonthBytes(tmp_path)
    assert months.count("2026-11", 0, 0) == 120_005
    months.close()


def test_spending() -> None:
    traffic = Traffic()
    spending = Spending(lambda: traffic)
    assert spending.energy_mj() is None
    spending.add_energy(2.5, 1000)
    spending.add_energy(1.5, 2000)
    assert spending.energy_mj() == 5500
    traffic.up_bytes, traffic.down_bytes = 7, 70
    assert spending.radio() == (7, 70, 0)
    traffic.up_bytes = 8
    assert spending.radio() == (1, 0, 0)
    spending.sees_link("modem")
    traffic.up_wire_bytes, traffic.down_wire_bytes, traffic.bursts = 1_000_008, 70, 2
    tails_mj = 2 * (300 + 11_600 * 1_060 // 1000)
    assert spending.radio() == (1_000_000, 0, 5_600 + tails_mj), "the wire counts where it is known"
