"""What the chain and the network did: finality, bytes."""

from __future__ import annotations

from matplotlib.figure import Figure

from firmware_profiles.report import words
from firmware_profiles.report.axes import bars
from firmware_profiles.report.chart import Chart, Table
from firmware_profiles.report.measures import finality_ms, quantile
from firmware_profiles.report.palette import BLUE, INK, MUTED
from firmware_profiles.report.record import RunRecord

BINS = 30
KINDS_MAX = 12
SHARES = (
    ("half of the rounds within", 0.5),
    ("nine of ten within", 0.9),
    ("95 % within", 0.95),
    ("all within", 1.0),
)
SECOND_MS = 1000
SHORT_MS = 2 * SECOND_MS
"""Up to here an axis is in milliseconds."""


def finality(record: RunRecord) -> tuple[Chart, ...]:
    """How long rounds took from the proposal to the certificate."""
    times = finality_ms(record)
    if not times:
        return ()
    unit, scale = ("ms", 1) if max(times) <= SHORT_MS else ("s", SECOND_MS)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        end = 1.1 * max(*times, 1) / scale
        axes.hist([one / scale for one in times], bins=BINS, range=(0, end), color=BLUE, rwidth=0.92)
        axes.set_xlim(0, end)
        axes.set_ylabel("rounds")
        axes.set_xlabel(f"from the proposal to the certificate ({unit})")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.18)
        for share, label, side, gap in ((0.5, "half", "right", -3), (0.95, "95 %", "left", 3)):
            at = quantile(times, share) / scale
            axes.axvline(at, color=INK, linewidth=1, linestyle=(0, (3, 2)))
            axes.annotate(
                label, (at, 0.93), xycoords=("data", "axes fraction"), xytext=(gap, 0),
                textcoords="offset points", ha=side, fontsize=8, color=MUTED,
            )  # fmt: skip

    rows = ((label, words.duration(quantile(times, share))) for label, share in SHARES)
    note = (
        f"How long {words.counted(len(times), 'round', 'rounds')} took until more than two thirds had signed."
    )
    return (
        Chart(
            "finality",
            "From the proposal to the certificate",
            note,
            draw,
            Table.of(("rounds", "time"), rows),
            2.3,
        ),
    )


def traffic(record: RunRecord) -> tuple[Chart, ...]:
    """Bytes of all devices by kind of message, up and down."""
    up, down = dict(record.bytes_up), dict(record.bytes_down)
    kinds = sorted({*up, *down}, key=lambda kind: (-up.get(kind, 0) - down.get(kind, 0), kind))
    if not any((*up.values(), *down.values())):
        return ()
    shown = kinds[:KINDS_MAX]
    top = max(max(up.get(kind, 0), down.get(kind, 0)) for kind in shown)
    prefix, scale = next(
        (name, one) for name, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1)) if top >= one
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        series = [
            (label, [one.get(kind, 0) / scale for kind in shown])
            for label, one in (("sent by devices", up), ("received by devices", down))
        ]
        bars(axes, [words.name(kind) for kind in shown], series)
        axes.set_xlabel(f"{prefix}, all devices")

    rows = [_row(record, words.name(kind), up.get(kind, 0), down.get(kind, 0)) for kind in kinds]
    rows.append(_row(record, "all", sum(up.values()), sum(down.values())))
    note = "What devices sent and received, by kind of message."
    table = Table.of(("kind", "sent", "received", "both, a board"), rows)
    return (Chart("bytes", "Bytes by kind", note, draw, table, 1.1 + 0.34 * len(shown)),)


def _row(record: RunRecord, kind: str, up: int, down: int) -> tuple[str, ...]:
    return kind, words.size(up), words.size(down), words.size((up + down) / max(1, record.devices))
