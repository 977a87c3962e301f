"""Founding a chain on disk: whose keys, who is admitted, what the MQTT server asks for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.founding import ChainFiles
from broker.vouchers import join_with_voucher
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.execution.checks import Rules, check_register
from edge_client.protocol.execution.genesis_state import genesis_state
from edge_client.protocol.genesis import Admission
from edge_client.protocol.join import parse_join
from edge_client.protocol.keys import Signer, verify
from edge_client.runtime.keystore import load_seed
from tests.builders import make_signers, register


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "g.tflite"
    path.write_bytes(make_trainable(dense_net((4, 3), 1), TrainingOptions(batch=2)))
    return path


def init(folder: Path, graph: Path, *options: str, server: str = "mqtt://h") -> Result:
    command = ["init", str(folder), "--graph", str(graph), "--server", server, "--no-qr", *options]
    return CliRunner().invoke(main, command)


def test_validators_may_bring_their_own_keys(tmp_path: Path, graph: Path) -> None:
    made = CliRunner().invoke(main, ["key", str(tmp_path / "own.key")])
    public_key = made.output.split()[0]
    result = init(tmp_path / "chain", graph, "--validator-key", public_key)
    assert result.exit_code == 0, result.output
    validators = ChainFiles.read(tmp_path / "chain" / "chain").genesis.validators
    assert validators.keys[3].hex() == public_key
    assert Signer(load_seed(tmp_path / "own.key")).public_key.hex() == public_key
    keys = [(tmp_path / "chain" / f"validator-{i}" / "validator.key").exists() for i in range(4)]
    assert keys == [True, True, True, False]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = CliRunner().invoke(main, ["key", str(tmp_path / "own.key")])
    again = CliRunner().invoke(main, ["key", str(tmp_path / "own.key")])
    assert (first.exit_code, again.exit_code) == (0, 2)
    assert "never overwritten" in again.output


def test_a_voucher_admits_one_device(tmp_path: Path, graph: Path) -> None:
    folder = tmp_path / "chain"
    assert init(folder, graph, "--admission", "token").exit_code == 0
    printed = CliRunner().invoke(main, ["voucher", str(folder), "7"])
    join = parse_join(printed.output)
    genesis = ChainFiles.read(folder / "chain").genesis
    assert genesis.admission == Admission.TOKEN
    assert join.voucher is not None
    device = make_signers(1, "device")[0]
    record = register(device, join.chain_id, join.voucher)
    check_register(Rules(genesis, join.chain_id, verify), genesis_state(genesis), record)
    assert join_with_voucher(folder, 7).voucher != join.voucher, "a fresh secret each time"


def test_listed_devices_are_in_genesis(tmp_path: Path, graph: Path) -> None:
    device = make_signers(1, "device")[0].public_key
    result = init(tmp_path / "chain", graph, "--admission", "list", "--device-key", device.hex())
    assert result.exit_code == 0, result.output
    assert ChainFiles.read(tmp_path / "chain" / "chain").genesis.admitted == (device,)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--admission", "list"], "go together"),
        (["--device-key", "11" * 32], "go together"),
        (["--validator-key", "xyz"], "64 hex digits"),
        (["--validator-key", "00" * 32], "usable Ed25519 key"),
        (["--validator-key", "11" * 32, "--validator-key", "11" * 32], "stands twice"),
        (["--validators", "3"], "4 to 16"),
        (["--min-updates", "99"], "contradict"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    tmp_path: Path, graph: Path, options: list[str], told: str
) -> None:
    result = init(tmp_path / "chain", graph, *options)
    assert result.exit_code == 2
    assert told in result.output
    assert not (tmp_path / "chain").exists()


def test_a_missing_graph_is_told_with_the_way_to_make_one(tmp_path: Path) -> None:
    result = init(tmp_path / "chain", tmp_path / "none.tflite")
    assert result.exit_code == 2
    assert "edge-client trainable" in result.output


def test_no_vouchers_where_admission_is_open(tmp_path: Path, graph: Path) -> None:
    assert init(tmp_path / "chain", graph).exit_code == 0
    result = CliRunner().invoke(main, ["voucher", str(tmp_path / "chain"), "1"])
    assert result.exit_code == 2
    assert "admission is open" in result.output


@pytest.mark.parametrize(("server", "asks"), [("mqtt://h", False), ("mqtts://h:8883", True)])
def test_the_mqtt_server_asks_for_certificates_when_the_address_says_tls(
    tmp_path: Path, graph: Path, server: str, asks: bool
) -> None:
    assert init(tmp_path / "chain", graph, server=server).exit_code == 0
    text = (tmp_path / "chain" / "mqtt" / "mosquitto.conf").read_text()
    assert ("require_certificate true" in text) is asks
    assert ("allow_anonymous true" in text) is not asks
