"""From a fleet file to its devices: who has which board, where, with which luck; all of it from the seed.

Every device draws its own numbers under its own name, so that a larger fleet begins with the same devices of
each group, and a change of one parameter leaves all draws where they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from edge_client.core.conditions.limits import MINUTES_A_DAY, parse_hours
from firmware_profiles.profiles.figure import Figure
from firmware_profiles.profiles.fleet import Feed, Fleet, Group, Rhythm
from firmware_profiles.profiles.parts import Parts
from firmware_profiles.twin.board import Equipment, Surroundings, TwinBoard
from firmware_profiles.twin.draws import share
from firmware_profiles.twin.presence import DAY_S, Pattern, Stays
from firmware_profiles.twin.radio import Radio
from firmware_profiles.twin.sun import Sky, Sun

HOUR_S = 3600
MINUTE_S = DAY_S // MINUTES_A_DAY


@dataclass(frozen=True, slots=True)
class Member:
    """One device: `number` counts through the fleet, `of_group` within its group."""

    number: int
    of_group: int
    group: Group
    site: int
    samples: int
    is_byzantine: bool

    @property
    def name(self) -> str:
        """Names its random streams, whatever the size of the fleet."""
        return f"{self.group.name} {self.of_group}"


def members(fleet: Fleet) -> tuple[Member, ...]:
    """All devices, group by group. Sites are drawn, so that an outage takes boards of all kinds."""
    found: list[Member] = []
    sites = 1 if fleet.sites is None else ceil(fleet.devices / fleet.sites.devices_each)
    for group, size in zip(fleet.groups, fleet.sizes(), strict=True):
        for of_group in range(size):
            low, high = group.samples
            luck = share(fleet.seed, f"samples {group.name}", of_group)
            lies = share(fleet.seed, f"byzantine {group.name}", of_group) < fleet.faults.byzantine.typical
            samples = low + int(luck * (high - low + 1))
            site = int(share(fleet.seed, f"place {group.name}", of_group) * sites)
            found.append(Member(len(found), of_group, group, site, min(samples, high), lies))
    return tuple(found)


def board_of(member: Member, fleet: Fleet, parts: Parts, now_ms: int) -> TwinBoard:
    """The board of a device; `now_ms` is the local midnight at which the rehearsal begins."""
    group, seed = member.group, fleet.seed
    profile, link = parts.boards[group.board], parts.links[group.link]
    rates = link.rate_down
    luck = _within(rates, share(seed, f"rate {member.name}")) / rates.typical
    equipment = Equipment(
        profile,
        Radio(link, luck * fleet.scale.rate),
        fleet.job.step_ms(profile.step),
        parts.batteries[group.battery] if group.battery else None,
        fleet.scale.battery,
        1.0 if group.charge is None else _within(group.charge, share(seed, f"charge {member.name}")),
    )
    around = Surroundings(
        now_ms,
        None if group.ambient is None else group.ambient.typical,
        _sun(member, fleet),
        _all_of(member, fleet, "plugged") if group.feed is Feed.MAINS else (),
        _pattern(member, fleet, "used"),
    )
    return TwinBoard(equipment, around, group.limits, now_ms)


def online_of(member: Member, fleet: Fleet) -> tuple[Pattern, ...]:
    """The device can reach the MQTT server while all of these are on."""
    return _all_of(member, fleet, "online")


def _all_of(member: Member, fleet: Fleet, kind: str) -> tuple[Pattern, ...]:
    """The device's own pattern of a kind, and the outages of its site."""
    found = (_pattern(member, fleet, kind), _site(member, fleet))
    return tuple(one for one in found if one is not None)


def _pattern(member: Member, fleet: Fleet, kind: str) -> Pattern | None:
    rhythm = fleet.patterns.get(getattr(member.group, kind))
    return None if rhythm is None else Pattern(_stays(rhythm), _stream(fleet.seed, f"{kind} {member.name}"))


def _site(member: Member, fleet: Fleet) -> Pattern | None:
    """The same pattern for all devices of a site, as it is drawn from the same stream."""
    if fleet.sites is None:
        return None
    fine_s = fleet.sites.outage_every.typical * HOUR_S
    out_s = fleet.sites.outage_lasts.typical * HOUR_S
    stays = Stays(fine_s, out_s, fine_s, out_s, 0, DAY_S / 2)
    return Pattern(stays, _stream(fleet.seed, f"site {member.site}"))


def _sun(member: Member, fleet: Fleet) -> Sun | None:
    weather, panel = fleet.weather, member.group.panel
    if weather is None or panel is None:
        return None
    sky = Sky(
        weather.latitude.typical,
        weather.first_day,
        weather.clear_light.typical,
        weather.cloudy_light.typical,
        weather.cloudy_after_clear.typical,
        weather.cloudy_after_cloudy.typical,
    )
    return Sun(sky, panel.typical * fleet.scale.solar, _stream(fleet.seed, "weather"))


def _stays(rhythm: Rhythm) -> Stays:
    first, last = parse_hours(rhythm.night)
    figures = (rhythm.on_day, rhythm.off_day, rhythm.on_night, rhythm.off_night)
    on_day_s, off_day_s, on_night_s, off_night_s = (one.typical * HOUR_S for one in figures)
    return Stays(on_day_s, off_day_s, on_night_s, off_night_s, first * MINUTE_S, last * MINUTE_S)


def _within(figure: Figure, luck: float) -> float:
    """A device's own place in a range."""
    return figure.low + luck * (figure.high - figure.low)


def _stream(seed: int, purpose: str) -> Callable[[int], float]:
    return lambda number: share(seed, purpose, number)
