"""Facts of rehearsals that nobody ran, for tests of the report."""

from __future__ import annotations

from math import exp, sin

from firmware_profiles.report.record import Fault, GroupFacts, RoundFacts, RunRecord, Trace

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BOARDS = ("raspberry-pi-zero-2w", "raspberry-pi-4b", "portenta-x8", "jetson-orin-nano")
GATES = ("battery", "temperature", "metered", "hours", "data_cap", "load")


def a_record(
    devices: int = 200, groups: int = 3, rounds: int = 24, speed_up: float = 1.0, **changed: object
) -> RunRecord:
    """A day of some groups that learn to 0.93, the sooner the larger `speed_up`."""
    names = [f"group {number}" for number in range(groups)]
    each = devices // groups
    facts: dict[str, object] = {
        "title": f"Farm: {devices:,} devices, 24 h, seed 7",
        "mode": "simulate",
        "policy": "ours",
        "fleet": "Farm",
        "seed": 7,
        "training": "replay",
        "devices": devices,
        "validators": 4,
        "span_ms": DAY_MS,
        "wall_s": 83.5,
        "speed": None,
        "software": "0.1.0",
        "rounds": tuple(_round(number, rounds, speed_up) for number in range(1, rounds + 1)),
        "groups": tuple(_group(name, number, each) for number, name in enumerate(names)),
        "trained": tuple((number,) for number in range(rounds)),
        "participation": tuple(
            tuple(max(0, round(each / 20 * sin(column / 12 + row))) for column in range(96))
            for row in range(groups)
        ),
        "traces": tuple(
            _trace(2 * row + board, name, row) for row, name in enumerate(names) for board in range(2)
        ),
        "bytes_up": {"update": 31_000_000, "hello": 240_000, "proof": 1_200_000},
        "bytes_down": {"model": 88_000_000, "head": 4_100_000},
        "refusals": {"validator: late": 41, "device: bad signature": 2},
        "fates": {"included": 2400, "expired": 37, "refused (late)": 41},
        "faults": (
            *(Fault(number * DAY_MS // 90, "crash", f"device {number} starts anew") for number in range(90)),
            Fault(9 * HOUR_MS, "server", "MQTT server gone for 60 s"),
        ),
        "fault_counts": {"crash": 90, "server": 1},
        "labels": {str(digit): 200 + 17 * digit for digit in range(10)},
        "heads_verified": 20 * devices,
        "final_height": rounds + 4,
        "final_hash": "5f" * 32,
        "final_accuracy": _accuracy(rounds, rounds, speed_up),
        "command": "edge-fleet simulate farm --seed 7",
    }
    return RunRecord(**{**facts, **changed})  # type: ignore[arg-type]


def _accuracy(number: int, rounds: int, speed_up: float) -> float:
    return 0.1 + 0.83 * (1 - exp(-6 * speed_up * number / rounds))


def _round(number: int, rounds: int, speed_up: float) -> RoundFacts:
    return RoundFacts(
        round=number,
        height=number + 4,
        closed_ms=number * DAY_MS // rounds,
        updates=90 + number % 11,
        accuracy=_accuracy(number, rounds, speed_up),
        finality_ms=180 + 37 * (number % 9) + 4 * number,
        joules=5200.0 * number,
    )


def _group(name: str, number: int, devices: int) -> GroupFacts:
    closed = {gate: (3.0 + number) * place * devices / 4 for place, gate in enumerate(GATES)}
    return GroupFacts(
        name=name,
        board=BOARDS[number % len(BOARDS)],
        devices=devices,
        trained=devices * 8 // 10,
        updates=devices * 12,
        included=devices * 11,
        joules_training=devices * 310.0,
        joules_radio=devices * 95.0,
        joules_board=devices * 260_000.0,
        rewards=devices * (1_100 + 90 * number),
        floor_breaks=0,
        empty_batteries=number // 2,
        gates_closed_h=closed,
    )


def _trace(device: int, group: str, row: int) -> Trace:
    points = []
    for step in range(480):
        charge = None if row == 1 else round(68 + 25 * sin(step / 60 + device), 1)
        state = "training" if step % 37 < 4 else "off" if step % 211 > 203 else "asleep"
        points.append((step * DAY_MS // 480, charge, round(38 + 9 * sin(step / 40) + device, 1), state))
    return Trace(device, group, BOARDS[row % len(BOARDS)], tuple(points), None if row == 1 else 40.0)
