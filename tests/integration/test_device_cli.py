"""`edge-client` as its owner sees it: what it writes, says and returns."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.status_file import STATUS_FILE
from edge_client.adapters.wish_file import WishFile
from edge_client.core.events import ModelMeasured, SaveConflict, SaveMeasure, Score, TrainingOrder
from edge_client.device_folder import CONFIG_FILE, KEY_FILE
from edge_client.litert.trainable import TrainingOptions, make_trainable
from edge_client.litert.zoo import dense_net
from edge_client.protocol.consent import Consent, Wish
from edge_client.protocol.header import AppLeaves
from edge_client.protocol.join import Join
from edge_client.runtime.lock import single_instance
from tests.builders import ChainMaker, make_genesis, make_params
from tests.candidacies import ELECTIONS, seat_key
from tests.owned_device import NOBODY, T0_S, edge_client, facts, init_device, live_in

WAIT_S_MAX = 60


@pytest.fixture
def chain() -> ChainMaker:
    return ChainMaker(make_genesis(t0_s=T0_S))


@pytest.fixture
def join(chain: ChainMaker) -> str:
    return Join((NOBODY,), chain.chain_id).text()


@pytest.fixture
def state(tmp_path: Path, chain: ChainMaker) -> Path:
    """A device that was never run; its data fit the tiny manifest of the builders."""
    data = tmp_path / "data.npz"
    np.savez(data, x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    return init_device(tmp_path / "state", chain.chain_id, f"npz:{data}")


@pytest.fixture
def lived(state: Path, chain: ChainMaker) -> Path:
    """The same device after it joined, trained a round that was included, and sent the next."""
    world = live_in(state, chain)
    world.join()
    world.finish_training()
    chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    world.finish_training()
    return state


class TestInit:
    def test_writes_a_private_folder_key_and_configuration(self, state: Path) -> None:
        for name in (KEY_FILE, CONFIG_FILE):
            assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
        assert stat.S_IMODE(state.stat().st_mode) == 0o700

    def test_says_who_the_device_is_and_what_to_do_next(self, tmp_path: Path, join: str) -> None:
        result = edge_client("init", "--join", join, "--state", tmp_path / "s", "--data", "npz:x.npz")
        assert "edge-client run --state" in result.stdout

    def test_overwrites_nothing(self, state: Path, join: str) -> None:
        before = {path.name: path.read_bytes() for path in state.iterdir()}
        result = edge_client("init", "--join", join, "--state", state, "--data", "npz:x.npz")
        assert result.exit_code == 2
        assert "never overwritten" in result.stderr
        (state / CONFIG_FILE).unlink()
        assert edge_client("init", "--join", join, "--state", state, "--data", "npz:x.npz").exit_code == 2
        del before[CONFIG_FILE]
        assert {path.name: path.read_bytes() for path in state.iterdir()} == before

    @pytest.mark.parametrize(
        ("breaking", "data", "sentence"),
        [
            (lambda join: join.replace("127", "128"), "npz:x", "has a typo"),
            (lambda join: join[1:], "npz:x", "starts with 'flchain:'"),
            (lambda join: join, "x.csv", "npz:PATH"),
        ],
    )
    def test_a_mistake_gets_one_sentence_and_no_files(
        self, tmp_path: Path, join: str, breaking, data: str, sentence: str
    ) -> None:
        folder = tmp_path / "new"
        result = edge_client("init", "--join", breaking(join), "--state", folder, "--data", data)
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
        assert not folder.exists()


class TestRun:
    def run(self, folder: Path) -> Result:
        return edge_client("run", "--state", folder)

    def test_without_init(self, tmp_path: Path) -> None:
        result = self.run(tmp_path)
        assert result.exit_code == 2
        assert "`init` writes one" in result.stderr

    def test_an_unknown_key_is_named_with_its_line(self, state: Path) -> None:
        text = (state / CONFIG_FILE).read_text().replace("# threads = 1", "thread = 1")
        (state / CONFIG_FILE).write_text(text)
        result = self.run(state)
        line = text.splitlines().index("thread = 1") + 1
        assert result.exit_code == 2
        assert f"line {line}: unknown key 'training.thread'; did you mean 'threads'?" in result.stderr

    def test_a_key_that_others_can_read(self, state: Path) -> None:
        (state / KEY_FILE).chmod(0o644)
        result = self.run(state)
        assert result.exit_code == 2
        assert f"chmod 600 {state / KEY_FILE}" in result.stderr

    def test_a_missing_key(self, state: Path) -> None:
        (state / KEY_FILE).unlink()
        assert self.run(state).exit_code == 2

    def test_the_key_of_another_device(self, lived: Path, tmp_path: Path, chain: ChainMaker) -> None:
        other = init_device(tmp_path / "other", chain.chain_id)
        (lived / KEY_FILE).write_bytes((other / KEY_FILE).read_bytes())
        result = self.run(lived)
        assert result.exit_code == 2
        assert "put that one's key back" in result.stderr

    def test_data_of_the_wrong_shape(self, lived: Path) -> None:
        np.savez(lived.parent / "data.npz", x=np.zeros((8, 4), np.uint8), y=np.arange(8) % 2)
        result = self.run(lived)
        assert result.exit_code == 2
        assert "have shape (4,), the model takes (3,)" in result.stderr

    def test_a_second_process_on_the_same_folder(self, state: Path) -> None:
        with single_instance(state, "edge-client"):
            result = self.run(state)
        assert result.exit_code == 2
        assert "another edge-client works in" in result.stderr

    def test_a_halted_device_needs_its_owner(self, lived: Path, chain: ChainMaker) -> None:
        disk = DeviceDisk(lived, chain.chain_id)
        disk.chain.save_conflict(SaveConflict("two final headers at height 2", b"..."))
        disk.close()
        result = self.run(lived)
        assert result.exit_code == 4
        assert "two final headers at height 2" in result.stderr
        assert facts(edge_client("status", "--state", lived, "--json"))["halted"]

    def test_a_damaged_database(self, lived: Path) -> None:
        for path in lived.glob("agent.db*"):
            path.write_bytes(b"not a database" * 1000)
        result = self.run(lived)
        assert result.exit_code == 2
        assert "agent.db" in result.stderr

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ends_cleanly_when_told_to(self, state: Path, number: signal.Signals) -> None:
        command = [sys.executable, "-m", "edge_client.cli", "run", "--state", str(state)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert "started device=" in process.stderr.readline()
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait(WAIT_S_MAX) == 0, rest
        assert "Traceback" not in rest
        words = json.loads((state / STATUS_FILE).read_text())
        assert words["phase"] == "joining"
        assert words["peak_rss_kib"] > 1000


class TestStatus:
    def test_of_a_device_that_never_ran(self, state: Path, chain: ChainMaker) -> None:
        found = facts(edge_client("status", "--state", state, "--json"))
        assert found["chain"] == found["head"] == chain.chain_id.hex()
        assert (found["height"], found["round"], found["account"]) == (0, 1, None)
        assert (found["running"], found["phase"]) == (False, "stopped")

    def test_of_a_device_that_lived(self, lived: Path, chain: ChainMaker) -> None:
        found = facts(edge_client("status", "--state", lived, "--json"))
        assert (found["height"], found["round"]) == (2, 2)
        assert found["head"] == chain.headers[-1].hash(chain.chain_id).hex()
        assert found["account"] == {
            "number": 0,
            "balance": 1_000_000,
            "contribution": chain.state.accounts[0].contribution,
            "last_round": 1,
            "stake": 0,
            "as_of_height": 2,
        }
        updates = found["updates"]
        assert isinstance(updates, list)
        assert [(one["round"], one["fate"], one["height"]) for one in updates] == [
            (2, "pending", None),
            (1, "included", 2),
        ]

    def test_shows_refusals_of_the_last_process(self, lived: Path) -> None:
        (lived / STATUS_FILE).write_text(json.dumps({"pid": 1 << 22, "refused": {"bad-signature": 3}}))
        assert facts(edge_client("status", "--state", lived, "--json"))["refused"] == {"bad-signature": 3}
        text = edge_client("status", "--state", lived).stdout
        assert "bad-signature 3" in text
        assert "update of round 1: included" in text

    def test_survives_last_words_that_were_cut_off(self, lived: Path) -> None:
        (lived / STATUS_FILE).write_text('{"pid": 1')
        assert facts(edge_client("status", "--state", lived, "--json"))["phase"] == "stopped"

    def test_shows_what_joining_is_worth(self, lived: Path, chain: ChainMaker) -> None:
        assert facts(edge_client("status", "--state", lived, "--json"))["hold_out"] is None
        disk = DeviceDisk(lived, chain.chain_id)
        app = AppLeaves(*[bytes(32)] * 4)
        order = TrainingOrder(7, 2, bytes(32), chain.genesis.params, bytes(32), 0, 2, app)
        scores = Score(0.125, 2.0), Score(0.875, 0.5), Score(0.75, 0.25)
        disk.models.save(SaveMeasure(ModelMeasured(order, 40, *scores)))
        disk.close()
        assert facts(edge_client("status", "--state", lived, "--json"))["hold_out"] == {
            "round": 7,
            "samples": 40,
            "accuracy_before_joining": 0.125,
            "accuracy_joined": 0.875,
            "accuracy_own": 0.75,
            "loss_before_joining": 2.0,
            "loss_joined": 0.5,
            "loss_own": 0.25,
        }
        assert "accuracy_joined 0.875" in edge_client("status", "--state", lived).stdout


class TestDataCheck:
    def test_what_the_next_round_would_use(self, lived: Path) -> None:
        x = np.arange(60, dtype=np.float32).reshape(20, 3)
        x[4, 0] = np.nan
        np.savez(lived.parent / "data.npz", x=x, y=np.arange(20) % 2)
        found = facts(edge_client("data", "check", "--state", lived, "--json"))
        assert found["source"] == f"npz:{lived.parent / 'data.npz'}"
        assert (found["samples"], found["rejected"]) == (19, 1)
        assert found["training"] + found["hold_out"] == 19
        assert (found["type"], found["shape"]) == ("float32", [3])
        assert (found["lowest"], found["highest"]) == (0.0, 59.0)
        assert found["labels"] == {"0": 9, "1": 10}
        assert found["rejects"] == [{"reason": "a value is not finite", "count": 1, "examples": ["sample 5"]}]

    def test_for_people(self, lived: Path) -> None:
        config = (lived / CONFIG_FILE).read_text()
        classes = '# classes = ["no", "yes"]'
        assert classes in config
        (lived / CONFIG_FILE).write_text(config.replace(classes, classes[2:]))
        text = edge_client("data", "check", "--state", lived).stdout
        assert "8 samples:" in text
        assert "  yes         4  ####" in text
        assert "0 left out" in text

    def test_data_that_do_not_fit(self, lived: Path) -> None:
        np.savez(lived.parent / "data.npz", x=np.zeros((8, 4), np.uint8), y=np.arange(8) % 2)
        result = edge_client("data", "check", "--state", lived)
        assert result.exit_code == 2
        assert "have shape (4,), the model takes (3,)" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_before_joining_the_graph_is_asked(self, state: Path, tmp_path: Path) -> None:
        result = edge_client("data", "check", "--state", state)
        assert result.exit_code == 2
        assert "--graph" in result.stderr
        graph = tmp_path / "graph.tflite"
        graph.write_bytes(make_trainable(dense_net((3, 2), 1), TrainingOptions(batch=2)))
        assert (
            facts(edge_client("data", "check", "--state", state, "--graph", graph, "--json"))["samples"] == 8
        )
        for content in (b"", b"no graph at all"):
            graph.write_bytes(content)
            assert edge_client("data", "check", "--state", state, "--graph", graph).exit_code == 2
        assert edge_client("data", "check", "--state", state, "--graph", tmp_path / "none").exit_code == 2


class TestTrust:
    @pytest.mark.parametrize("height", [1, 2])
    def test_a_header_the_device_knows(self, lived: Path, chain: ChainMaker, height: int) -> None:
        known = chain.headers[height - 1].hash(chain.chain_id).hex()
        assert "nothing new" in edge_client("trust", f"{height}:{known}", "--state", lived).stdout
        assert edge_client("trust", f"{height}:{'ab' * 32}", "--state", lived).exit_code == 4


class TestVerify:
    def test_a_true_chain(self, lived: Path) -> None:
        assert facts(edge_client("verify", "--state", lived, "--json")) == {
            "linked": [[1, 2]],
            "final_height": 2,
            "signatures": 3,
            "epoch": 0,
            "handoffs": 0,
            "shown": [],
            "vouched": 0,
        }
        assert "headers 1 to 2 are linked" in edge_client("verify", "--state", lived).stdout

    def test_nothing_to_verify(self, state: Path) -> None:
        assert edge_client("verify", "--state", state).exit_code == 2

    def test_a_changed_header_needs_the_owner(self, lived: Path, chain: ChainMaker) -> None:
        disk = DeviceDisk(lived, chain.chain_id)
        disk._database.conn.execute("UPDATE headers SET linked = zeroblob(84) WHERE height = 1")
        disk._database.conn.commit()
        disk.close()
        result = edge_client("verify", "--state", lived)
        assert result.exit_code == 4
        assert "does not hold" in result.stderr


class TestDoctor:
    def findings(self, folder: Path, code: int) -> dict[str, bool]:
        result = edge_client("doctor", "--state", folder, "--json")
        assert result.exit_code == code, result.output
        found = json.loads(result.stdout)["checks"]
        assert all(one["mend"] for one in found if not one["good"]), "each says what mends it"
        return {one["check"]: one["good"] for one in found}

    def test_only_the_server_is_missing(self, lived: Path) -> None:
        found = self.findings(lived, 3)
        assert [name for name, good in found.items() if not good] == ["servers"]
        machine = {"runtime", "cgroup", "pressure", "rtc", "time", "memory"}
        assert set(found) == {"config", *machine, "key", "folder", "disk", "data", "clock", "servers"}

    def test_what_the_owner_has_to_mend(self, lived: Path) -> None:
        (lived / KEY_FILE).chmod(0o640)
        (lived.parent / "data.npz").unlink()
        found = self.findings(lived, 2)
        assert [name for name, good in found.items() if not good] == ["key", "data", "servers"]

    def test_without_a_configuration(self, tmp_path: Path) -> None:
        assert self.findings(tmp_path, 2)["config"] is False

    def test_a_damaged_database_is_a_finding(self, lived: Path) -> None:
        for path in lived.glob("agent.db*"):
            path.write_bytes(b"not a database" * 1000)
        assert self.findings(lived, 2)["folder"] is False

    def test_for_people(self, lived: Path) -> None:
        text = edge_client("doctor", "--state", lived).stdout
        assert "ok    key" in text
        assert "FAIL  servers" in text


@pytest.mark.parametrize("command", ["init", "run", "status", "verify", "doctor"])
def test_every_command_explains_itself(command: str) -> None:
    result = edge_client(command, "--help")
    assert result.exit_code == 0
    assert "--state" in result.stdout


def test_an_unknown_command_is_a_mistake() -> None:
    assert edge_client("trian").exit_code == 2


class TestSeats:
    @pytest.fixture
    def chain(self) -> ChainMaker:
        """With elections."""
        return ChainMaker(make_genesis(t0_s=T0_S, params=make_params(**ELECTIONS)))

    def consent(self, chain: ChainMaker, account: int = 0) -> str:
        return Consent.by(seat_key(0), chain.chain_id, account).text()

    def test_a_wish_waits_for_the_running_device(self, lived: Path, chain: ChainMaker) -> None:
        result = edge_client("opt-in", "--state", lived, self.consent(chain))
        assert result.exit_code == 0, result.output
        assert "account 0" in result.output
        wish = WishFile(lived).read()
        assert wish is not None
        assert wish.consent == Consent.parse(self.consent(chain))
        assert facts(edge_client("status", "--state", lived, "--json"))["wish"] == "open"
        assert edge_client("opt-out", "--state", lived).exit_code == 0
        assert WishFile(lived).read() == Wish(None)

    def test_what_cannot_come_true_is_said_at_once(self, lived: Path, chain: ChainMaker) -> None:
        elsewhere = Consent.by(seat_key(0), bytes(32), 0).text()
        for line, options, why in (
            ("nonsense", (), "edge-broker consent"),
            (elsewhere, (), "not signed for this chain"),
            (self.consent(chain, 3), (), "for account 3"),
            (self.consent(chain), ("--bond", "99"), "asks for 100"),
            (self.consent(chain), ("--bond", str(1 << 40)), "the balance is"),
        ):
            result = edge_client("opt-in", "--state", lived, line, *options)
            assert result.exit_code == 2
            assert why in result.output
        assert WishFile(lived).read() is None

    def test_a_device_without_an_account_has_nothing_to_stand_with(
        self, state: Path, chain: ChainMaker
    ) -> None:
        for arguments in (("opt-in", "--state", state, self.consent(chain)), ("opt-out", "--state", state)):
            result = edge_client(*arguments)
            assert result.exit_code == 2
            assert "no account yet" in result.output


def test_without_elections_there_is_nothing_to_stand_for(lived: Path, chain: ChainMaker) -> None:
    result = edge_client("opt-in", "--state", lived, Consent.by(seat_key(0), chain.chain_id, 0).text())
    assert result.exit_code == 2
    assert "no elections" in result.output
