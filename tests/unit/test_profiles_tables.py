"""A profile that is not well-formed is refused with one sentence that names file, table and key."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.profiles.battery import Battery
from firmware_profiles.profiles.figure import Curve, Figure, Provenance, Unit
from firmware_profiles.profiles.link import Link
from firmware_profiles.profiles.tables import Place, ProfileError, build_each

WATT = {"value": 2.0, "unit": "W", "provenance": "published", "source": "a page"}
BATTERY: dict[str, Any] = {
    "title": "A battery",
    "capacity": {"range": [19, 26], "unit": "Wh", "provenance": "published", "source": "two pages"},
    "usable_share": {"value": 0.85, "unit": "share", "provenance": "estimated", "source": "converter"},
    "charge_power": WATT,
    "charge_share": {"value": 0.9, "unit": "share", "provenance": "estimated", "source": "converter"},
    "curve": {"points": [[0, 3], [1, 4.2]], "unit": "V", "provenance": "recalled", "source": "sheets"},
}


def changed(key: str, **changes: Any) -> dict[str, Any]:
    """The battery with one figure changed; None takes an entry away."""
    table = deepcopy(BATTERY)
    table[key] = {name: one for name, one in {**table[key], **changes}.items() if one is not None}
    return table


def refusal(table: Any) -> str:
    with pytest.raises(ProfileError) as caught:
        build_each(Battery, {"one": table}, Place("batteries.toml"))
    return str(caught.value)


def test_a_figure_keeps_unit_provenance_and_source() -> None:
    battery = build_each(Battery, {"one": BATTERY}, Place("batteries.toml"))["one"]
    assert battery.capacity == Figure(19, 26, Unit.WATT_HOUR, Provenance.PUBLISHED, "two pages")
    assert battery.capacity.typical == 22.5
    assert str(battery.capacity) == "19 to 26 Wh"
    assert str(battery.charge_power) == "2 W"
    assert battery.usable_wh == pytest.approx(19.125)


@pytest.mark.parametrize(
    ("table", "key", "why"),
    [
        (changed("charge_power", source=None), "charge_power", "has no source"),
        (changed("charge_power", source=" "), "charge_power", "has no source"),
        (
            changed("charge_power", provenance=None),
            "charge_power",
            "measured, published, recalled, estimated",
        ),
        (changed("charge_power", provenance="publish"), "charge_power.provenance", "did you mean published"),
        (changed("charge_power", unit=None), "charge_power", 'unit = "W"'),
        (changed("charge_power", unit="horses"), "charge_power", "is in W, not horses"),
        (changed("charge_power", unit="Wh"), "charge_power", "is in W, not Wh"),
        (changed("charge_power", value=None), "charge_power", "must have value or range"),
        (changed("charge_power", range=[1, 2]), "charge_power", "must have value or range"),
        (changed("charge_power", value=None, range=[2]), "charge_power", "two ends"),
        (changed("charge_power", value=None, range=[2, 1]), "charge_power", "lower end"),
        (changed("charge_power", value="2"), "charge_power", "must be a number"),
        (changed("charge_power", value=True), "charge_power", "must be a number"),
        (changed("charge_power", value=float("nan")), "charge_power", "must be a number"),
        (changed("charge_power", value=-1), "charge_power", "must be a number from 0"),
        (changed("charge_power", value=0), "charge_power", "must be above 0"),
        (changed("usable_share", value=1.2), "usable_share", "from 0 to 1 share"),
        (changed("charge_power", sauce="x"), "charge_power.sauce", "did you mean source"),
        (changed("curve", points=[[0, 3], [0.9, 4]]), "curve", "rises from 0 to 1"),
        (changed("curve", points=[[0, 3], [0.5, 3], [0.5, 4], [1, 4]]), "curve", "rises from 0 to 1"),
        (changed("curve", points=[[0, 3]]), "curve", "two or more pairs"),
        (changed("curve", points=[[0, 4], [1, 3]]), "curve", "must not fall"),
        ({**BATTERY, "charge_power": 2}, "charge_power", "must say where it comes from"),
        ({**BATTERY, "titel": "x"}, "titel", "did you mean title"),
        ({**BATTERY, "title": 3}, "title", "must be text"),
        ({name: BATTERY[name] for name in BATTERY if name != "curve"}, "curve", "is missing"),
    ],
)
def test_each_flaw_is_told_with_file_table_and_key(table: dict[str, Any], key: str, why: str) -> None:
    sentence = refusal(table)
    assert sentence.startswith(f"batteries.toml, table [one], key '{key}': ")
    assert why in sentence


def test_what_is_no_table_is_refused() -> None:
    assert refusal(3) == "batteries.toml, key 'one': must be a table [one]"


def test_an_unknown_link_kind_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"links.toml, table \[x\], key 'kind': 'wire' is not known"):
        build_each(Link, {"x": {"title": "x", "kind": "wire"}}, Place("links.toml"))


def test_a_curve_is_straight_between_its_points() -> None:
    curve = Curve(((0, 3.0), (0.5, 3.8), (1, 4.2)), Unit.VOLT, Provenance.RECALLED, "x")
    assert [curve.at(share) for share in (-1, 0, 0.25, 0.5, 0.75, 1, 2)] == pytest.approx(
        [3.0, 3.0, 3.4, 3.8, 4.0, 4.2, 4.2]
    )


def test_a_board_is_refused_for_trips_links_and_batteries_that_cannot_be() -> None:
    catalogue = read_catalogue()
    trip = {
        "at": {"value": 60, "unit": "°C", "provenance": "estimated", "source": "x"},
        "speed": {"value": 0.5, "unit": "share", "provenance": "estimated", "source": "x"},
    }
    for change, why in (
        ({"thermal": {"trips": [trip, trip]}}, r"\[thermal\], key 'trips': trips must get hotter"),
        ({"thermal": {"trips": [{"at": trip["at"]}]}}, r"\[thermal.trips.1\], key 'speed': is missing"),
        ({"links": ["wifi-7"]}, "key 'links': 'wifi-7' is not known; did you mean wifi-"),
        ({"batteries": ["x"]}, "key 'batteries': 'x' is not known"),
        ({"based_on": "rasberry-pi-4b"}, "key 'based_on': .* did you mean raspberry-pi-4b"),
    ):
        with pytest.raises(ProfileError, match=why):
            catalogue.board_of({"based_on": "raspberry-pi-4b", **change}, "mine.toml")
