"""firmware_profiles/report/canvas.py: what a drawing may not lose on its way into a page."""

from __future__ import annotations

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from firmware_profiles.report.axes import bars
from firmware_profiles.report.canvas import svg
from firmware_profiles.report.chart import Chart, Table


def drawn(values: list[float], label: str = "") -> str:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        bars(axes, ["a"] * len(values), [("units", values)])
        axes.set_xlabel(label)

    return svg(Chart("figures", "Figures", "Some.", draw, Table((), ())))


def test_a_number_for_the_reader_keeps_its_digits() -> None:
    text = drawn([1.0], "0.23456")
    assert "0.23456" in text
    assert "0.23<" not in text


def test_large_numbers_along_an_axis_are_separated() -> None:
    assert "200,000" in drawn([250_000.0])
