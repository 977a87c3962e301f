"""Rows of `edge-fleet simulate`: a day of the shipped city, what it costs, and whether it comes again."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.fleet.kept import Row
from firmware_profiles.catalogue import read_catalogue
from firmware_profiles.lesson.bank import shipped_bank
from firmware_profiles.report import measures
from firmware_profiles.report.page import page_of_run
from firmware_profiles.report.record import RunRecord
from firmware_profiles.simulate.run import Plan, Rehearsal, Training

FLEET = "city"
HOUR_MS = 3_600_000
MINUTE_S = 60
KIB_MIB = 1024
MB = 1_000_000
DAY_H = 24.0


@dataclass(frozen=True, slots=True)
class Size:
    """Of the day that is timed, and of the smaller one that is run twice."""

    devices: int
    hours: float
    twice_devices: int
    twice_hours: float


def rehearse(devices: int, hours: float) -> RunRecord:
    """The shipped city with so many devices and updates from the bank."""
    catalogue = read_catalogue()
    fleet = catalogue.fleet(FLEET)
    fleet = fleet if devices == fleet.devices else fleet.resized(devices)
    plan = Plan(fleet, catalogue, round(hours * HOUR_MS), fleet.seed, Training.REPLAY, shipped_bank())
    return Rehearsal(plan).run()


def rows(size: Size) -> Iterator[Row]:
    """The day, by processor time of this process, all threads."""
    began_s = time.process_time()
    record = rehearse(size.devices, size.hours)
    took_min = (time.process_time() - began_s) / MINUTE_S
    said = f"{FLEET}, {record.training}, all faults of its file; final block {record.final_hash[:16]}"
    load = f"{record.wall_s / MINUTE_S:.1f} min by the clock, load average {os.getloadavg()[0]:.1f}"
    updates = [one.updates for one in record.rounds] or [0]
    spread = f"mean of the rounds; {min(updates)} to {max(updates)}"
    yield "simulate: devices", record.devices, said
    yield "simulate: virtual time", record.span_ms / HOUR_MS, f"{record.heads_verified:,} heads verified"
    yield "simulate: time of one core", took_min, f"processor time with founding and joining; {load}"
    yield "simulate: peak memory", peak_mib(), "of the whole process, with interpreter and libraries"
    yield "simulate: rounds", len(record.rounds), "closed and final"
    yield "simulate: accepted updates a round", sum(updates) / len(updates), spread
    yield "simulate: devices that took part", measures.trained(record), "sent at least one update"
    yield "simulate: validators", record.validators, "the class of production"
    page_mb = len(page_of_run(record).encode()) / MB
    yield "report page", page_mb, f"of this day: {record.devices:,} devices, {len(record.rounds)} rounds"


def peak_mib() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_MIB


def again_rows(size: Size) -> Iterator[Row]:
    """The same seed twice."""
    runs = [rehearse(size.twice_devices, size.twice_hours) for _ in range(2)]
    hashes = [one.final_hash for one in runs]
    what = f"{size.twice_devices} devices, {size.twice_hours:g} h, twice: {hashes[0][:16]}, {hashes[1][:16]}"
    yield "simulate: same seed, same final block hash", len(set(hashes)) == 1 and bool(hashes[0]), what


def dropout_rows() -> Iterator[Row]:
    """Of the files, nothing is run."""
    shares = {name: fleet.dropout for name, fleet in read_catalogue().fleets().items()}
    named = ", ".join(f"{name} {share:.2f}" for name, share in sorted(shares.items()))
    yield "smallest drop-out of the shipped fleets", min(shares.values()), named
