"""`history` and `diag`: what a device did, and a bundle that gives no secret away."""

from __future__ import annotations

import base64
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.outbox_store import HISTORY_MAX
from edge_client.core.conditions.prediction import NOT_COUNTED, Cost, Spent
from edge_client.core.events import PendingUpdate, SaveAccount, SaveGivenUp, SaveUpdate
from edge_client.device_folder import KEY_FILE
from edge_client.protocol.accounts import Account, AccountProof
from edge_client.protocol.header import AppLeaves, StateLeaves
from edge_client.protocol.join import Join, Voucher
from edge_client.protocol.update import UpdateHead
from edge_client.runtime.keystore import load_seed
from tests.owned_device import NOBODY, edge_client, init_device

CHAIN = bytes(range(32))
VOUCHER = Voucher(3, 0, b"secret seed of the voucher......", bytes(range(64)))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Two rounds, one of them measured."""
    folder = init_device(tmp_path / "state", Join((NOBODY,), CHAIN, voucher=VOUCHER))
    disk = DeviceDisk(folder, CHAIN)
    for number, energy_mj in ((1, 0xFFFFFFFF), (2, 2500)):
        root = bytes([number]) * 32
        head = UpdateHead(0, number, 0, bytes(32), root, 9, 40, 15, energy_mj=energy_mj, up_bytes=1000,
                          down_bytes=4000 * number)  # fmt: skip
        cost = Cost(15, 1500, None, 1000, 4000 * number, radio_mj=700)
        spent = Spent(number, cost, *((None, None) if number == 1 else (3000, 5500)))
        disk.outbox.save_update(
            SaveUpdate(PendingUpdate(head, (bytes(32),)), b"e" * 31 + root[:1], (), spent)
        )
    disk.close()
    return folder


def test_history_shows_rounds_and_bars(state: Path) -> None:
    lines = edge_client("history", "--state", state).stdout.splitlines()
    assert lines[1].split()[:6] == ["1", "pending", "15", "1.5", "-", "5.0"]
    assert lines[2].split()[:6] == ["2", "pending", "15", "1.5", "2.5", "9.0"]
    assert (lines[1].count("█"), lines[2].count("█")) == (11, 20)
    assert lines[1].split()[-1] == "-", "nobody has shown us what it earned"
    assert lines[3] == "balance -, contribution -"
    assert lines[1].split()[6:8] == ["-", "-"]
    assert lines[2].split()[6:8] == ["3.0", "5.5"]
    found = json.loads(edge_client("history", "--state", state, "--json").stdout)
    assert [one["energy_mj"] for one in found["rounds"]] == [None, 2500]


def test_a_history_without_rounds_says_where_to_look(tmp_path: Path) -> None:
    folder = init_device(tmp_path / "state", Join((NOBODY,), CHAIN))
    assert edge_client("history", "--state", folder).stdout.startswith("no round yet; `edge-client status`")


def test_the_end_of_a_round_that_came_to_nothing_survives_a_restart(state: Path) -> None:
    spent = Spent(7, NOT_COUNTED, lot=5)
    disk = DeviceDisk(state, CHAIN)
    disk.executors()[SaveGivenUp](SaveGivenUp(9, "too late", spent))
    disk.close()
    disk = DeviceDisk(state, CHAIN)
    assert disk.costs(1) == (spent,)
    disk.close()


def test_a_round_that_was_given_up_stands_there_with_its_reason(state: Path) -> None:
    disk = DeviceDisk(state, CHAIN)
    for number in range(3, HISTORY_MAX + 5):
        disk.executors()[SaveGivenUp](SaveGivenUp(number, f"memory: {number} MB"))
    disk.outbox.give_up(SaveGivenUp(2, "trained after all"))
    assert len(disk.outbox.given_up()) == HISTORY_MAX
    disk.close()
    lines = edge_client("history", "--state", state).stdout.splitlines()
    assert lines[-2] == f"    {HISTORY_MAX + 4}  given up: memory: {HISTORY_MAX + 4} MB"
    found = json.loads(edge_client("history", "--state", state, "--json").stdout)["rounds"]
    assert [(one["round"], one["fate"]) for one in found[:3]] == [
        (1, "pending"),
        (2, "pending"),
        (5, "given up"),
    ]


def test_what_a_round_earned_is_the_change_of_the_account(state: Path) -> None:
    disk = DeviceDisk(state, CHAIN)
    root = bytes(32)
    app, leaves = AppLeaves(root, root, root, root), StateLeaves(root, root, root, root)
    for last_round, balance, stake in ((0, 0, 0), (1, 500, 0), (2, 800, 700)):
        account = Account(root, last_round=last_round, balance=balance, stake=stake)
        disk.chain.save_account(SaveAccount(1, AccountProof(0, 1, account, ()), app, leaves))
    disk.close()
    lines = edge_client("history", "--state", state).stdout.splitlines()
    assert [line.count("▒") for line in lines[1:3]] == [10, 20]
    found = json.loads(edge_client("history", "--state", state, "--json").stdout)
    assert [one["reward"] for one in found["rounds"]] == [500, 1000]


def test_the_bundle_holds_no_key_bytes(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "diag.tar.gz"
    result = edge_client("diag", "--state", state, "-o", target)
    assert result.exit_code == 0, result.output
    with tarfile.open(target) as bundle:
        contents = {one.name: bundle.extractfile(one).read() for one in bundle}  # type: ignore[union-attr]
    assert set(contents) >= {"edge-client.toml", "status.json", "gates.json", "history.json", "versions.json"}
    assert b"[limits]" in contents["edge-client.toml"]
    text = b"".join(contents.values())
    for secret in (load_seed(state / KEY_FILE), VOUCHER.seed):
        for form in (
            secret,
            secret.hex().encode(),
            base64.b64encode(secret),
            base64.urlsafe_b64encode(secret),
        ):
            assert form.rstrip(b"=")[:20] not in text
    join_line = next(
        line for line in (state / "edge-client.toml").read_text().splitlines() if "join =" in line
    )
    assert join_line.split('"')[1].encode() not in text


def test_the_bundle_names_no_person_and_no_password(state: Path, tmp_path: Path) -> None:
    """Also not in comments, and nothing of what the owner keeps in the folder."""
    path = state / "edge-client.toml"
    old = Join((NOBODY,), CHAIN, voucher=replace(VOUCHER, seed=b"s" * 32)).text()
    text = re.sub(r"(?m)^source = .*$", 'source = "npz:/home/alice/cat.npz"', path.read_text())
    text = re.sub(r"(?m)^# model_updated.*$", "model_updated = '''curl\\n -H hunter2\\n'''", text)
    path.write_text(f'{text}\n# join = "{old}"\n# model_updated = "curl -u me:hunter2"\n')
    (state / "faces").mkdir()
    (state / "faces" / "alice.png").touch()
    target = tmp_path / "diag.tar.gz"
    result = edge_client("diag", "--state", state, "-o", target)
    assert result.exit_code == 0, result.output
    with tarfile.open(target) as bundle:
        contents = {one.name: bundle.extractfile(one).read().decode() for one in bundle}  # type: ignore[union-attr]
    assert 'source = "npz:/home/(cut)/cat.npz"' in contents["edge-client.toml"]
    assert "agent.db" in json.loads(contents["files.json"])
    everything = "".join(contents.values())
    assert [one for one in ("alice", "hunter2", "flchain:") if one in everything] == []


def test_a_bundle_is_never_overwritten(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "diag.tar.gz"
    target.write_bytes(b"mine")
    assert edge_client("diag", "--state", state, "-o", target).exit_code == 2
    assert target.read_bytes() == b"mine"
