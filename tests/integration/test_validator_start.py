"""`edge-broker` as an operator sees it: a mistake gets one sentence and exit code 2 before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.commands.validator import CONFIG_FILE
from broker.config import ValidatorConfig
from broker.founding import GENESIS_FILE, GRAPH_FILE
from broker.service import Watch, run_validator
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.join import parse_join
from edge_client.runtime import clock
from edge_client.runtime.lock import single_instance
from edge_client.runtime.settings import read_settings

YEAR_MS = 365 * 24 * 3600 * 1000
NOBODY = "mqtt://127.0.0.1:1"
"""A port that nothing listens on."""


def edge_broker(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "trainable.tflite"
    path.write_bytes(make_trainable(dense_net((4, 3, 2), seed=1), TrainingOptions(batch=2)))
    return path


@pytest.fixture
def chain(tmp_path: Path, graph: Path) -> Path:
    folder = tmp_path / "fleet"
    result = edge_broker("init", folder, "--graph", graph, "--server", NOBODY, "--no-qr")
    assert result.exit_code == 0, result.output
    return folder


def one_sentence(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("edge-broker: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_init_makes_a_fleet_that_its_join_string_names(chain: Path) -> None:
    join = parse_join((chain / "join.txt").read_text().strip())
    assert join.servers == (NOBODY,)
    facts = json.loads(edge_broker("status", chain / "validator-0", "--json").stdout)
    assert facts["chain"] == join.chain_id.hex()
    assert (facts["running"], facts["height"], facts["round"]) == (False, 0, 1)
    assert sorted(path.name for path in chain.glob("validator-*")) == [f"validator-{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--validators", "3"), "1 for a trial, or 4 to 16"),
        (("--validators", "17"), "1 for a trial, or 4 to 16"),
        (("--min-updates", "20"), "contradict each other"),
        (("--server", "http://host"), "http://host"),
        (("--ca-file", "nowhere.pem"), "nowhere.pem"),
    ],
)
def test_init_with_a_mistake_writes_nothing(
    tmp_path: Path, graph: Path, arguments: tuple[str, str], sentence: str
) -> None:
    folder = tmp_path / "fleet"
    result = edge_broker("init", folder, "--graph", graph, "--server", NOBODY, *arguments)
    assert sentence in one_sentence(result)
    assert not folder.exists()


def test_init_overwrites_nothing(chain: Path, graph: Path) -> None:
    before = {path: path.read_bytes() for path in chain.rglob("*") if path.is_file()}
    result = edge_broker("init", chain, "--graph", graph, "--server", NOBODY)
    assert "never overwritten" in one_sentence(result)
    assert {path: path.read_bytes() for path in chain.rglob("*") if path.is_file()} == before


def test_init_wants_a_training_graph(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"not a model")
    result = edge_broker("init", tmp_path / "fleet", "--graph", other, "--server", NOBODY)
    assert "training graph" in one_sentence(result)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("key_file =", "keyfile =", ["validator.toml, line 4", "keyfile", "key_file"]),
        ("[timing]", "[timings]", ["validator.toml, line ", "timings", "timing"]),
        ("# cert_file", "cert_file", ["validator.toml, line ", "cert_file", "key_file", "together"]),
        (
            "[timing]",
            "[timing]\nslot_timeout_ms = 9",
            ["validator.toml, line ", "slot_timeout_ms", "at least 100"],
        ),
        (
            "[timing]",
            '[timing]\nslot_timeout_ms = "1"',
            ["validator.toml, line ", "slot_timeout_ms", "whole number"],
        ),
        (NOBODY, "mqtt:/127.0.0.1", ["mqtt:/127.0.0.1"]),
        (f'servers = ["{NOBODY}"]', "servers = []", ["validator.toml, line ", "at least one MQTT server"]),
    ],
)
def test_a_mistake_in_the_configuration(chain: Path, old: str, new: str, words: list[str]) -> None:
    edit(chain / "validator-0" / CONFIG_FILE, old, new)
    sentence = one_sentence(edge_broker("validator", chain / "validator-0"))
    assert [word for word in words if word not in sentence] == []


def missing_key(folder: Path) -> None:
    (folder / "validator.key").unlink()


def key_that_others_can_read(folder: Path) -> None:
    (folder / "validator.key").chmod(0o644)


def key_that_is_none(folder: Path) -> None:
    (folder / "validator.key").write_bytes(b"abc")


def missing_chain(folder: Path) -> None:
    (folder.parent / "chain" / GENESIS_FILE).unlink()


def another_graph(folder: Path) -> None:
    (folder.parent / "chain" / GRAPH_FILE).write_bytes(b"another")


def no_configuration(folder: Path) -> None:
    (folder / CONFIG_FILE).unlink()


def damaged_database(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "validator.db").write_bytes(b"no database, but long enough to look like one " * 99)


@pytest.mark.parametrize(
    ("breaking", "words"),
    [
        (missing_key, ["validator.key"]),
        (key_that_others_can_read, ["validator.key", "chmod 600"]),
        (key_that_is_none, ["validator.key"]),
        (missing_chain, [GENESIS_FILE, "edge-broker init"]),
        (another_graph, ["graph or model", "genesis"]),
        (no_configuration, [CONFIG_FILE, "init"]),
        (damaged_database, ["validator.db", "OPERATIONS"]),
    ],
)
def test_a_folder_that_lacks_something(
    chain: Path, breaking: Callable[[Path], None], words: list[str]
) -> None:
    folder = chain / "validator-0"
    breaking(folder)
    sentence = one_sentence(edge_broker("validator", folder))
    assert [word for word in words if word not in sentence] == []


def test_two_validators_in_one_folder(chain: Path) -> None:
    state = chain / "validator-0" / "state"
    with single_instance(state, "validator"):
        sentence = one_sentence(edge_broker("validator", chain / "validator-0"))
    assert sentence == f"edge-broker: another validator works in {state}; stop it first\n"


def test_a_key_that_is_not_of_this_chain(chain: Path, tmp_path: Path, graph: Path) -> None:
    other = tmp_path / "other"
    assert edge_broker("init", other, "--graph", graph, "--server", NOBODY, "--no-qr").exit_code == 0
    folder = chain / "validator-0"
    (folder / "validator.key").write_bytes((other / "validator-0" / "validator.key").read_bytes())
    assert "is not one of the chain's validators" in one_sentence(edge_broker("validator", folder))


def test_a_clock_set_back_while_running_makes_the_validator_begin_anew(
    chain: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Standing still until the clock has caught up, it would propose nothing for a year."""
    wall_ms, starts = [2 * YEAR_MS], []

    def begun(stop: Callable[[], None]) -> None:
        starts.append(wall_ms[0])
        wall_ms[0] = YEAR_MS
        if len(starts) > 1:
            stop()

    monkeypatch.setattr(clock, "_wall_ms", lambda: wall_ms[0])
    config = read_settings(chain / "validator-0" / CONFIG_FILE, ValidatorConfig)
    run_validator(config, Watch(begun=begun))
    assert starts == [2 * YEAR_MS, YEAR_MS]
    assert [one.getMessage().split()[0] for one in caplog.records].count("clock_set_back") == 1


def test_told_to_stop_in_the_turn_in_which_the_clock_was_set_back_it_stops(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall_ms, starts = [2 * YEAR_MS], []

    def begun(stop: Callable[[], None]) -> None:
        starts.append(wall_ms[0])
        wall_ms[0] = YEAR_MS
        stop()

    monkeypatch.setattr(clock, "_wall_ms", lambda: wall_ms[0])
    run_validator(read_settings(chain / "validator-0" / CONFIG_FILE, ValidatorConfig), Watch(begun=begun))
    assert starts == [2 * YEAR_MS]
