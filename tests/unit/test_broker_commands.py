"""`edge-broker` without a chain to run: help, wrong options, numbers out of range, what `status` shows.

What needs a training graph is in tests/integration: test_validator_start.py and test_broker_founding.py.
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.commands.validator import CONFIG_FILE
from broker.config import MqttSection, TimingSection, validator_toml
from broker.core.effects import StoreFinal
from broker.core.ledger import included_updates
from broker.founding import ChainFiles, ChainFilesError
from broker.founding_folder import election_rules
from broker.service import open_store
from edge_client.protocol.consent import Consent
from edge_client.protocol.keys import Signer, node_id, verify
from edge_client.protocol.validators import faulty_max
from edge_client.runtime.keystore import create_seed, load_seed
from edge_client.runtime.lock import single_instance
from tests.builders import GRAPH_BYTES, ChainMaker, chain_of, make_model, make_seed

COMMANDS = ("init", "key", "voucher", "consent", "admit", "validator", "status", "audit")


def edge_broker(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def chain() -> ChainMaker:
    """Height 2: two devices registered, a round closed."""
    made = chain_of(2)
    made.close_round()
    return made


@pytest.fixture
def folder(tmp_path: Path, chain: ChainMaker) -> Path:
    """A validator's folder beside its chain, before the first start."""
    ChainFiles(chain.genesis, GRAPH_BYTES, make_model()).write(tmp_path / "chain")
    made = tmp_path / "validator-0"
    made.mkdir()
    (made / CONFIG_FILE).write_text(validator_toml(("mqtt://127.0.0.1:1",)))
    create_seed(made / "validator.key")
    return made


def run_to_the_end(folder: Path, chain: ChainMaker) -> None:
    """What a validator would have on disk after the chain's last block."""
    store = open_store(folder / "state", ChainFiles.read(folder.parent / "chain"))
    for height, (header, body) in enumerate(zip(chain.headers, chain.bodies, strict=True), 1):
        state = chain.states[height]
        store.store_final(
            StoreFinal(
                header,
                header.hash(chain.chain_id),
                chain.certificate(height),
                state,
                tuple(enumerate(state.accounts)),
                chain.outcomes[height - 1].model,
                included_updates(body),
                chain.peaks(height),
            )
        )
    store.close()


# --- help and options ------------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    shown = edge_broker("--help")
    assert shown.exit_code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in shown.output] == []
    assert "\n  edge-broker validator FOLDER/validator-0\n" in shown.output


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_and_a_short_line(command: str, flag: str) -> None:
    shown = edge_broker(command, flag)
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("init",),
        ("init", "folder"),
        ("init", "folder", "--graph", "g.tflite"),
        ("validator",),
        ("validator", "/nowhere/at/all"),
        ("status", "/nowhere/at/all"),
        ("status", ".", "--yaml"),
        ("voucher", ".", "0"),
        ("voucher", ".", str(1 << 32)),
    ],
)
def test_wrong_arguments_end_with_two_and_say_which(arguments: tuple[str, ...]) -> None:
    result = edge_broker(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--k", "0"),
        ("--k", "257"),
        ("--min-updates", "-1"),
        ("--round-s", "-5"),
        ("--round-s", str(1 << 32)),
        ("--epochs", "256"),
        ("--sample-cap", "0"),
        ("--records-wait-s", "70000"),
        ("--learning-rate", "-0.1"),
        ("--learning-rate", "0"),
        ("--learning-rate", "4096"),
        ("--clip-norm", "inf"),
        ("--clip-norm", "much"),
    ],
)
def test_a_number_that_does_not_fit_its_field_is_told_by_option(
    tmp_path: Path, option: str, value: str
) -> None:
    folder = tmp_path / "fleet"
    result = edge_broker("init", folder, "--graph", "none", "--server", "mqtt://h", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.output
    assert not folder.exists()


# --- status ----------------------------------------------------------------------------------------------


def facts_of(folder: Path) -> dict[str, Any]:
    result = edge_broker("status", folder, "--json")
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


def test_status_before_the_first_start_makes_no_files(folder: Path, chain: ChainMaker) -> None:
    facts = facts_of(folder)
    assert (facts["running"], facts["height"], facts["round"], facts["accounts"]) == (False, 0, 1, 0)
    assert facts["head"] == facts["chain"] == chain.chain_id.hex()
    assert not (folder / "state").exists()


def test_status_shows_the_head_on_disk(folder: Path, chain: ChainMaker) -> None:
    run_to_the_end(folder, chain)
    facts = facts_of(folder)
    assert (facts["height"], facts["round"], facts["accounts"]) == (2, 2, 2)
    assert (facts["pruned_to"], facts["checkpoints"], facts["lacking_blocks"]) == (0, "", 0)
    assert facts["head"] == chain.headers[-1].hash(chain.chain_id).hex()


@pytest.mark.parametrize(
    ("words", "running", "refused"),
    [
        (None, False, {}),
        ("no JSON", False, {}),
        ("[]", False, {}),
        (json.dumps({"pid": os.getpid(), "refused": {"stale": 3}}), True, {"stale": 3}),
        (json.dumps({"pid": os.getpid(), "refused": {"stale": 3}}), False, {"stale": 3}),
    ],
    ids=["never ran", "no JSON", "no object", "runs", "has ended, its pid is another's"],
)
def test_status_says_whether_it_runs_and_what_was_refused(
    folder: Path, words: str | None, running: bool, refused: dict[str, int]
) -> None:
    if words is not None:
        (folder / "state").mkdir()
        (folder / "state" / "status.json").write_text(words)
    with single_instance(folder / "state", "validator") if running else nullcontext():
        facts = facts_of(folder)
    assert (facts["running"], facts["refused"]) == (running, refused)
    assert facts["phase"] == ("listening" if running else "stopped")


def test_status_shows_the_phase_of_the_running_process(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "status.json").write_text(json.dumps({"phase": {"phase": "rejoining", "at_ms": 1}}))
    with single_instance(folder / "state", "validator"):
        assert facts_of(folder)["phase"] == "rejoining"


def test_status_of_a_key_that_signed_with_another_log(folder: Path, chain: ChainMaker) -> None:
    run_to_the_end(folder, chain)
    assert facts_of(folder)["phase"] == "must rejoin"


def test_status_for_people_has_one_line_a_fact(folder: Path) -> None:
    (folder / "state").mkdir()
    (folder / "state" / "status.json").write_text(json.dumps({"refused": {"stale": 3, "replay": 1}}))
    lines = edge_broker("status", folder).output.splitlines()
    assert len(lines) == len(facts_of(folder))
    assert any(line.startswith("refused") and "stale 3, replay 1" in line for line in lines)


@pytest.mark.parametrize(("number", "seat"), [(0, "0"), (3, "3"), (4, "none")])
def test_status_says_which_seat_the_key_has(folder: Path, chain: ChainMaker, number: int, seat: str) -> None:
    assert chain.genesis.validators.count == 4
    (folder / "validator.key").write_text(make_seed(number).hex())
    facts = facts_of(folder)
    assert (facts["epoch"], facts["seat"]) == (0, seat)


def test_status_without_a_key_still_shows_the_chain(folder: Path) -> None:
    name = node_id(Signer(bytes.fromhex((folder / "validator.key").read_text().strip())).public_key)
    assert facts_of(folder)["validator"] == name
    (folder / "validator.key").unlink()
    assert "validator.key" in facts_of(folder)["validator"]


def test_status_without_the_chain_files_says_which_and_what_writes_them(folder: Path) -> None:
    (folder.parent / "chain" / "genesis.bin").unlink()
    result = edge_broker("status", folder)
    assert result.exit_code == 2
    assert "genesis.bin" in result.stderr
    assert "edge-broker init" in result.stderr


# --- chain files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["genesis.bin", "graph.tflite", "model.bin"])
@pytest.mark.parametrize("data", [b"", b"something else"])
def test_chain_files_that_do_not_fit_each_other_are_refused(folder: Path, name: str, data: bytes) -> None:
    (folder.parent / "chain" / name).write_bytes(data)
    with pytest.raises(ChainFilesError, match=r"genesis"):
        ChainFiles.read(folder.parent / "chain")


def test_chain_files_survive_writing_and_reading(folder: Path, chain: ChainMaker) -> None:
    files = ChainFiles.read(folder.parent / "chain")
    assert files == ChainFiles(chain.genesis, GRAPH_BYTES, make_model())
    assert files.chain_id == chain.chain_id
    changed = replace(files, model=make_model()[:-1] + b"\xff")
    changed.write(folder.parent / "chain")
    with pytest.raises(ChainFilesError, match="not the one that genesis names"):
        ChainFiles.read(folder.parent / "chain")


# --- configuration ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ()},
        {"servers": ("mqtt://h",), "cert_file": Path("c")},
        {"servers": ("mqtt://h",), "key_file": Path("k")},
    ],
)
def test_a_contradiction_between_settings_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"servers|together"):
        MqttSection(**wrong)


@pytest.mark.parametrize(("timeout_ms", "timeout_ms_max"), [(99, 1000), (2000, 1999)])
def test_waiting_times_are_in_order(timeout_ms: int, timeout_ms_max: int) -> None:
    with pytest.raises(ValueError, match="slot_timeout_ms"):
        TimingSection(timeout_ms, timeout_ms_max)


@pytest.mark.parametrize(
    ("validators", "rules", "expected"),
    [
        (1, {"epoch_blocks": 64, "bond": 9}, (0, 0, 0)),
        (4, {"epoch_blocks": 0, "bond": 9}, (0, 0, 0)),
        (4, {}, (64, 1, 1_000_000)),
        (7, {"epoch_blocks": 8, "bond": 9}, (8, 1, 9)),
        (8, {"epoch_blocks": 8, "bond": 9}, (8, 2, 9)),
        (16, {"epoch_blocks": 8, "bond": 9}, (8, 2, 9)),
    ],
)
def test_rules_of_elections_fit_the_number_of_validators(
    validators: int, rules: dict[str, int], expected: tuple[int, int, int]
) -> None:
    found = election_rules(validators, rules)
    assert (found["epoch_blocks"], found["churn_max"], found["bond"]) == expected
    assert found["churn_max"] <= faulty_max(validators)


def test_a_consent_is_signed_by_the_validators_key(folder: Path, chain: ChainMaker) -> None:
    result = edge_broker("consent", folder, "7")
    assert result.exit_code == 0, result.output
    made = Consent.parse(result.output)
    own = Signer(load_seed(folder / "validator.key")).public_key
    assert (made.account, made.key) == (7, own)
    assert made.is_genuine(chain.chain_id, verify)
    (folder / "validator.key").unlink()
    assert edge_broker("consent", folder, "7").exit_code == 2
