"""`make check-consensus` itself: it goes on where it stopped, reports what bounds.toml asks, and can fail."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.check_consensus import NOTES, QUICK_NOTES, TARGET, check, parts
from benchmarks.consensus import decoders, light, runs
from benchmarks.consensus.progress import Progress
from benchmarks.figures import Value, evaluate, load_bounds
from edge_client.protocol.encoding import Reader
from tests.light_vectors import stored
from tests.simulation.consensus_campaign import Kind, Totals, campaign

pytestmark = pytest.mark.slow


def test_a_finished_part_is_not_run_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def part(name: str):
        def run() -> dict[str, Value]:
            asked.append(name)
            return {"decoders: inputs": len(asked)}

        return run

    wanted = {name: part(name) for name in ("one", "two")}
    check(Progress(tmp_path / "progress", "full"), {"one": wanted["one"]})
    again = Progress(tmp_path / "progress", "full")
    check(again, wanted)
    assert asked == ["one", "two"]
    assert again.figures == {"decoders: inputs": 2}


@pytest.mark.parametrize(
    ("run", "fresh", "goes_on"), [("full", False, True), ("quick", False, False), ("full", True, False)]
)
def test_findings_belong_to_one_kind_of_run(tmp_path: Path, run: str, fresh: bool, goes_on: bool) -> None:
    Progress(tmp_path / "progress", "full").finish("one", {"decoders: inputs": 1})
    later = Progress(tmp_path / "progress", run, fresh=fresh)
    assert later.goes_on is goes_on
    assert bool(later.figures) is goes_on


def test_what_an_interrupted_part_took_is_counted(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress", "full")
    with pytest.raises(KeyboardInterrupt), progress.timed():
        raise KeyboardInterrupt
    assert 0 < Progress(tmp_path / "progress", "full").spent_s == progress.spent_s


def test_every_name_is_one_of_bounds_toml(tmp_path: Path) -> None:
    found = parts(quick=True, state=tmp_path / "runs", saved=list)
    measured = {**runs.figures(Totals()), **found["search with crashes"](), **found["vectors"]()}
    assert measured.keys() <= {figure.name for figure in evaluate(TARGET, measured, load_bounds())}


def test_violations_are_sorted_by_what_they_break() -> None:
    texts = {
        "two blocks decided at height 3": Kind.SAFETY,
        "validator 2 diverged: fork": Kind.SAFETY,
        "validator 2 can be convicted: Vote()": Kind.FRAMING,
        "honest validator 1 accused: Evidence()": Kind.FRAMING,
        "not live after healing: 3 rounds due": Kind.LIVENESS,
        "nobody accused [1]": Kind.EVIDENCE,
        "something new": Kind.SAFETY,
    }
    assert {text: Kind.of(f"{text}\nvalidator 1 can be convicted") for text in texts} == texts


def test_a_run_with_a_violation_is_not_reported_as_a_good_one() -> None:
    totals = Totals(schedules=4, violations={"1": "two blocks decided", "2": "not live after healing"})
    figures = runs.figures(totals)
    assert figures["simulation: safety violations"] == 1
    assert figures["simulation: live after healing"] == 0.75


def test_the_campaign_goes_on_behind_what_it_has_done(tmp_path: Path) -> None:
    state = tmp_path / "runs"
    done = Totals(next_seed=20, schedules=20, faults=7)
    state.write_text(json.dumps(asdict(done)), encoding="utf-8")
    assert list(campaign(20, state, processes=1)) == [done]


def test_flipped_bytes_that_are_taken_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the signatures covers the body root."""
    vector = stored()["next_block"]
    assert not light.taken(vector, "block", 0, 0xFF)
    monkeypatch.setattr("edge_client.core.verify.PREDICATES", ())
    body_root = 52
    assert light.taken(vector, "block", body_root, 0xFF)


def test_a_decoder_that_takes_two_spellings_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    target = next(one for one in decoders.targets() if one.name == "Vote")
    longer = next(one for one in decoders.targets() if one.name == "Snapshot")
    assert decoders.outcome(target, target.example.data) == ""
    assert decoders.outcome(longer, longer.example.data + b"x") == ""
    monkeypatch.setattr(Reader, "finish", lambda _: None)
    assert "another encoding" in decoders.outcome(longer, longer.example.data + b"x")


def test_the_share_of_harmless_flips_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "FLIPPED", {"account_0_of_three": "account"})
    monkeypatch.setattr(light, "FLIPS", (1,))
    assert set(light.flips().values()) == {1.0}
    monkeypatch.setattr("tests.light_vectors.Device.verdict", lambda *_: "proven")
    assert set(light.flips().values()) == {0.0}


def test_notes_stand_at_figures_that_exist() -> None:
    assert NOTES.keys() | QUICK_NOTES.keys() <= {
        bound.name for bound in load_bounds() if bound.target == TARGET
    }
