"""Fleet files: what is refused, how groups are counted, and what scaling moves."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from click.testing import CliRunner

from broker.founding_folder import election_rules, make_params
from edge_client.core.conditions.limits import Limits
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.keys import verify
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.cli import main
from firmware_profiles.fleet.founding import Founding
from firmware_profiles.profiles.fleet import Feed, Fleet, parse_fleet
from firmware_profiles.profiles.tables import ProfileError
from firmware_profiles.twin.members import board_of, members, online_of

CATALOGUE = read_catalogue()
FLEETS = CATALOGUE.fleets()
KNOWN = {"board": CATALOGUE.boards, "link": CATALOGUE.links, "battery": CATALOGUE.batteries}
START_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def figure(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "provenance": "estimated", "source": "a test"}


SMALL: dict[str, Any] = {
    "title": "Small",
    "seed": 1,
    "devices": 10,
    "job": {"model": "mlp", "rounds_a_day": 96, "k": 4, "min_updates": 2},
    "faults": {
        "dropout": figure(0.08, "share"),
        "crashes_a_day": figure(1, "1/d"),
        "validator_crashes_a_day": figure(1, "1/d"),
        "message_loss": figure(0.01, "share"),
        "mqtt_outages_a_day": figure(1, "1/d"),
        "mqtt_outage_lasts": figure(60, "s"),
        "byzantine": figure(0, "share"),
    },
    "groups": [
        {"name": "one", "board": "raspberry-pi-5", "link": "ethernet-1g", "count": 3},
        {"name": "two", "board": "raspberry-pi-4b", "link": "wifi-5", "share": 2.0},
        {"name": "three", "board": "raspberry-pi-4b", "link": "wifi-5", "share": 1.0},
    ],
}


def parsed(**changes: Any) -> Fleet:
    return parse_fleet({**deepcopy(SMALL), **changes}, "small.toml", KNOWN)


WEATHER = {
    "latitude": figure(50, "°"),
    "first_day": 1,
    **dict.fromkeys(("clear_light", "cloudy_light"), figure(0.5, "share")),
    **dict.fromkeys(("cloudy_after_clear", "cloudy_after_cloudy"), figure(0.5, "share")),
}


def with_group(**changes: Any) -> dict[str, Any]:
    return {"groups": [{**SMALL["groups"][1], **changes}]}


def test_counts_come_first_and_shares_split_the_rest() -> None:
    assert parsed().sizes() == (3, 5, 2)
    assert parsed().resized(1000).sizes() == (300, 500, 200)
    assert sum(parsed().resized(7).sizes()) == 7


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (with_group(board="raspberry-pi-4"), r"\[groups.1\], key 'board': .* did you mean raspberry-pi-4b"),
        (with_group(link="lte"), r"table \[groups.1\], key 'link': 'lte' is not known"),
        (with_group(online="x"), r"table \[groups.1\], key 'online': 'x' is not known"),
        (with_group(count=1), r"table \[groups.1\], key 'count': count or share"),
        (with_group(feed="solar"), r"table \[groups.1\], key 'panel': panel is for"),
        (with_group(feed="wind"), r"\[groups.1\], key 'feed': 'wind' is not known; known: mains, solar"),
        (with_group(battery="pisugar-3"), r"key 'charge': charge and battery go together"),
        (with_group(samples=[5]), r"table \[groups.1\], key 'samples': samples must be"),
        (with_group(limits={"hours": "noon"}), r"table \[groups.1.limits\], key 'hours': hours must be"),
        (with_group(limits={"hour": "any"}), r"\[groups.1.limits\], key 'hour': .* did you mean hours"),
        ({"groups": []}, "key 'groups': groups must name"),
        ({"groups": SMALL["groups"][:1]}, "key 'devices': devices must be what the groups add up to, 3"),
        ({"groups": SMALL["groups"][1:2] * 2}, "two groups are called two"),
        ({"job": {**SMALL["job"], "model": "gpt"}}, r"table \[job\], key 'model': 'gpt' is not known"),
        ({"job": {**SMALL["job"], "k": 0}}, r"table \[job\], key 'k': k must be 1 to"),
        ({"job": {**SMALL["job"], "min_updates": 5}}, r"'min_updates': min_updates must not be above k"),
        ({"job": {**SMALL["job"], "selected": 1}}, r"min_updates must not be above selected, 1"),
        ({"job": {**SMALL["job"], "sample_cap": 0}}, r"'sample_cap': sample_cap must be 1 to 4294967295"),
        ({"job": {**SMALL["job"], "clip_norm": 0}}, r"key 'clip_norm': clip_norm must be 1e-06 to 4095"),
        ({"job": {**SMALL["job"], "learning_rate": -1}}, r"key 'learning_rate': learning_rate must be"),
        ({"job": {**SMALL["job"], "records_wait_s": 1 << 16}}, r"records_wait_s must be 0 to 65535"),
        ({"job": {**SMALL["job"], "validators": 3}}, r"'validators': validators must be 1, for a trial, or"),
        ({"job": {**SMALL["job"], "validators": 17}}, r"'validators': validators must be 1, for a trial, or"),
        ({"title": " "}, r"key 'title': title must be words"),
        ({"seed": 1 << 63}, r"key 'seed': seed must be"),
        ({"weather": {**WEATHER, "first_day": 366}}, r"key 'first_day': first_day must be 1 to"),
        ({"scale": {"battery": "big"}}, r"table \[scale\], key 'battery': must be a number"),
        ({"scale": {"battery": 99.0}}, r"table \[scale\], key 'battery': battery must be 0.1 to 10"),
        ({"faults": {}}, r"table \[faults\], key 'dropout': is missing"),
    ],
)  # fmt: skip
def test_each_flaw_is_told_with_file_table_and_key(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProfileError, match=f"small.toml.*{sentence}"):
        parsed(**changes)


def test_the_job_gives_round_params() -> None:
    graph = make_trainable(dense_net((4, 2), 1), TrainingOptions(batch=10))
    params = make_params(graph, {**parsed().job.rules(), **election_rules(1, {})})
    params.check()
    assert (params.round_s, params.k, params.min_updates) == (900, 4, 2)


@pytest.mark.parametrize("name", sorted(FLEETS))
def test_a_shipped_fleet_has_what_the_issue_asks_for(name: str) -> None:
    fleet = FLEETS[name]
    assert fleet.faults.dropout.low >= 0.05
    assert fleet.faults.byzantine.typical > 0
    assert fleet.faults.mqtt_outages_a_day.typical > 0
    assert fleet.sites is not None
    assert len({group.board for group in fleet.groups}) >= 4
    assert fleet.job.k * fleet.job.rounds_a_day <= 24 * fleet.devices
    for group in fleet.groups:
        assert group.link in CATALOGUE.boards[group.board].links
        assert not group.battery or group.battery in CATALOGUE.boards[group.board].batteries


def test_the_fleets_differ_in_how_they_are_fed() -> None:
    assert sorted(FLEETS) == ["city", "farm-solar", "home", "lte-vehicles"]
    assert any(group.feed is Feed.SOLAR for group in FLEETS["farm-solar"].groups)
    assert all(group.plugged and group.battery for group in FLEETS["lte-vehicles"].groups)
    assert any(group.used for group in FLEETS["home"].groups)


def test_the_same_seed_gives_the_same_devices_and_a_larger_fleet_the_same_and_more() -> None:
    fleet = FLEETS["home"].resized(50)
    assert members(fleet) == members(fleet)
    some = {one.name: one.samples for one in members(fleet)}
    more = {one.name: one.samples for one in members(fleet.resized(200))}
    assert some.items() <= more.items()


def test_byzantine_devices_are_as_many_as_the_file_says() -> None:
    found = Counter(one.is_byzantine for one in members(FLEETS["home"].resized(3000)))
    assert found[True] / 3000 == pytest.approx(0.01, abs=0.006)


def test_scaling_moves_one_thing_and_no_draw() -> None:
    fleet = FLEETS["farm-solar"].resized(20)
    before, after = members(fleet), members(fleet.scaled(battery=1.3, solar=0.7, rate=0.7, dropout=1.3))
    assert before == after
    boards = [board_of(before[0], one, CATALOGUE, START_MS) for one in (fleet, fleet.scaled(battery=1.3))]
    capacities = [board.conditions().battery_wh for board in boards]
    assert capacities[1] == pytest.approx(1.3 * capacities[0])  # type: ignore[operator]
    assert boards[0].battery_share == pytest.approx(boards[1].battery_share)
    noon_ms = START_MS + DAY_MS // 2
    dim = board_of(before[0], fleet.scaled(solar=0.1), CATALOGUE, START_MS)
    for board in (boards[0], dim):
        board.advance(noon_ms)
    assert (dim.battery_share or 0) < (boards[0].battery_share or 0)
    assert fleet.scaled(dropout=1.5).dropout == pytest.approx(0.12)
    with pytest.raises(TypeError):
        fleet.scaled(wind=2.0)


def test_a_site_goes_out_as_a_whole() -> None:
    fleet = FLEETS["home"].resized(40)
    people = members(fleet)
    first = people[0]
    neighbour = next(one for one in people[1:] if one.site == first.site and one.group is not first.group)
    site, other_site = online_of(first, fleet)[-1], online_of(neighbour, fleet)[-1]
    assert site.next_s == other_site.next_s
    board = board_of(first, fleet, CATALOGUE, START_MS)
    board.advance(START_MS + int(site.next_s * 1000) + 1)
    assert not board.is_alive, "a board without battery goes out with its site"
    while not board.is_alive:
        board.advance(board.next_change() or 0)
    assert board.dead_count == 1


@pytest.mark.parametrize("name", sorted(FLEETS))
def test_a_day_of_each_fleet_goes_by_in_few_looks(name: str) -> None:
    """Nothing ticks: a device that does nothing is looked at a few dozen times a day at most."""
    fleet = FLEETS[name].resized(12)
    for member in members(fleet):
        board = board_of(member, fleet, CATALOGUE, START_MS)
        looks = 0
        while (at_ms := board.next_change()) is not None and at_ms < START_MS + DAY_MS:
            board.advance(at_ms)
            looks += 1
        assert looks < 100
        board.advance(START_MS + DAY_MS)
        assert 0 < board.energy_mj < 24 * 3.6e6 * CATALOGUE.boards[member.group.board].power.load.typical


def test_the_command_shows_fleets() -> None:
    for arguments, words in (
        ([], ["farm-solar", "home", "lte-vehicles"]),
        (
            ["home", "--devices", "10000"],
            ["10000 devices", "media centres", "2000", "1902.01046", "evenings"],
        ),
    ):
        result = CliRunner().invoke(main, ["fleets", *arguments])
        assert result.exit_code == 0, result.output
        assert [word for word in words if word not in result.output] == []
    shown = json.loads(CliRunner().invoke(main, ["fleets", "farm-solar", "--json"]).output)
    assert shown["weather"]["latitude"]["low"] == 48
    assert shown["groups"][0]["limits"]["battery_stop_pct"] == Limits().battery_stop_pct
    wrong = CliRunner().invoke(main, ["fleets", "hme"])
    assert wrong.exit_code == 2
    assert "did you mean home" in wrong.output


def test_devices_draw_their_own_samples_and_rates_from_the_whole_range() -> None:
    fleet = FLEETS["lte-vehicles"].resized(300)
    for group in fleet.groups:
        own = [one.samples for one in members(fleet) if one.group.name == group.name]
        low, high = group.samples
        assert low <= min(own) < (low + high) / 2 < max(own) <= high
    rates = [board_of(one, fleet, CATALOGUE, START_MS).equipment.radio.transfer(10**6, 0, 0).time_s
             for one in members(fleet) if one.group.link == "lte-cat4"]  # fmt: skip
    slow_s, quick_s = (8 / (rate * (1 - 0.005)) for rate in (3.7, 10))
    assert quick_s < min(rates) < 1.5 * quick_s
    assert 0.8 * slow_s < max(rates) < slow_s + 1


def test_a_liar_of_the_file_lies_and_a_whole_fleet_fits_into_a_block() -> None:
    fleet = FLEETS["home"].resized(300)
    founding = Founding(fleet, CATALOGUE, 1)
    liars = {one.number for one in members(fleet) if one.is_byzantine}
    assert 0 < len(liars) < 30
    for member in (members(fleet)[min(liars)], members(fleet)[min(set(range(300)) - liars)]):
        assert founding.device(member, bytes(32), verify).lies == (member.number in liars)
    graph = make_trainable(dense_net((4, 2), 1), TrainingOptions(batch=10))
    assert founding.chain(graph).genesis.params.registrations_max == 300
