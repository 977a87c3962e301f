"""`edge-client prove` and `verify-proof`: from a device that lived to somebody who only knows one hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.core.light_client import JUMP_HEADERS_MIN
from edge_client.protocol.keys import node_id
from edge_client.protocol.proofs import ProofFile
from edge_client.pruning import prune
from tests.builders import ChainMaker, make_genesis
from tests.owned_device import T0_S, edge_client, facts, init_device, live_in
from tests.proof_builders import make_bundle, model_proof


@pytest.fixture
def chain() -> ChainMaker:
    return ChainMaker(make_genesis(t0_s=T0_S))


@pytest.fixture
def state(tmp_path: Path, chain: ChainMaker) -> Path:
    """A device that was never run."""
    np.savez(tmp_path / "data.npz", x=np.zeros((8, 3), np.uint8), y=np.arange(8) % 2)
    return init_device(tmp_path / "state", chain.chain_id, f"npz:{tmp_path / 'data.npz'}")


@pytest.fixture
def asleep(state: Path, chain: ChainMaker) -> Path:
    """Its update of round 1 was counted while it slept, and it jumped over that block."""
    world = live_in(state, chain)
    world.join()
    world.finish_training()
    world.link_lost()
    chain.add([world.offers[0].head], time_s=100)
    for _ in range(JUMP_HEADERS_MIN + 2):
        chain.add()
    world.link_up()
    world.answer()
    for _ in range(2):
        chain.add()
        world.publish_head()
        world.answer()
    return state


@pytest.fixture
def lived(state: Path, chain: ChainMaker) -> Path:
    """Its update of round 1 stands in block 2; four more blocks follow, none of which touches its account."""
    world = live_in(state, chain)
    world.join()
    world.finish_training()
    chain.add([world.offers[0].head], time_s=100)
    world.publish_head()
    world.answer()
    for _ in range(4):
        chain.add()
        world.publish_head()
        world.answer()
    return state


def own_root(chain: ChainMaker) -> str:
    return chain.bodies[1].updates[0].update_root.hex()


def proven(result: Result) -> dict[str, Any]:
    found = facts(result)
    assert found["proven"] is True
    return found


def checkpoint_text(chain: ChainMaker, height: int) -> str:
    return f"{height}:{chain.headers[height - 1].hash(chain.chain_id).hex()}"


@pytest.fixture
def written(lived: Path, chain: ChainMaker, tmp_path: Path) -> Path:
    """A proof of the update that also shows the header of height 1."""
    file = tmp_path / "update.proof"
    result = edge_client(
        "prove", "update", own_root(chain), "--state", lived, "-o", file, "--checkpoint", "1"
    )
    assert result.exit_code == 0, result.output
    assert f"verify-proof {file} --chain {chain.chain_id.hex()}" in result.stdout
    return file


def test_prune_says_what_it_dropped(lived: Path) -> None:
    result = edge_client("prune", "--state", lived)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("nothing to drop")
    assert edge_client("prune", "--state", lived, "--keep", "1023").exit_code == 2


def test_a_pruned_chain_is_described(lived: Path, chain: ChainMaker) -> None:
    disk = DeviceDisk(lived, chain.chain_id)
    assert prune(disk, 2) is not None
    disk.close()
    said = edge_client("verify", "--state", lived).stdout
    assert "headers 5 to 6 are linked to genesis in stretches\n" in said
    assert "headers 1 to 4 are not stored; the history that header 5 commits to\nbegins with genesis" in said
    assert "header 2 is stored alone" in said


class TestProving:
    def test_an_update(self, written: Path, chain: ChainMaker) -> None:
        found = proven(edge_client("verify-proof", written, "--chain", chain.chain_id.hex(), "--json"))
        assert found["head"] == {
            "height": 6,
            "time": "2023-11-14T22:15:40+00:00",
            "hash": chain.headers[5].hash(chain.chain_id).hex(),
        }
        assert (found["signatures"], found["validators"]) == (3, 4)
        head = chain.bodies[1].updates[0]
        assert found["claims"] == [
            {
                "height": 2,
                "time": "2023-11-14T22:15:00+00:00",
                "kind": "update",
                "root": own_root(chain),
                "account": 0,
                "round": 1,
                "samples": head.samples,
                "steps": head.steps,
            }
        ]

    def test_an_update_that_was_jumped_over(self, asleep: Path, chain: ChainMaker, tmp_path: Path) -> None:
        file = tmp_path / "update.proof"
        result = edge_client("prove", "update", own_root(chain), "--state", asleep, "-o", file)
        assert result.exit_code == 0, result.output
        found = proven(edge_client("verify-proof", file, "--chain", chain.chain_id.hex(), "--json"))
        assert (found["head"]["height"], found["claims"][0]["height"]) == (chain.height, 2)
        verified = edge_client("verify", "--state", asleep)
        assert "header 2 is stored alone" in verified.stdout, verified.output

    def test_a_header_that_was_jumped_over(self, asleep: Path, tmp_path: Path) -> None:
        file = tmp_path / "model.proof"
        result = edge_client("prove", "model", "--state", asleep, "-o", file, "--checkpoint", "3")
        assert result.exit_code == 2
        assert result.stderr.endswith("header 3 is not stored: it was jumped over, or pruned\n")

    def test_the_balance_of_a_block_before_the_head(
        self, lived: Path, chain: ChainMaker, tmp_path: Path
    ) -> None:
        file, key = tmp_path / "balance.proof", chain.state.accounts[0].public_key
        assert edge_client("prove", "balance", "--state", lived, "-o", file).exit_code == 0
        found = proven(edge_client("verify-proof", file, "--chain", chain.chain_id.hex(), "--json"))
        (claim,) = found["claims"]
        assert (claim["height"], claim["account"], claim["balance"]) == (2, 0, 1_000_000)
        assert (claim["device"], claim["key"]) == (node_id(key), key.hex())

    def test_the_model_of_the_head(self, lived: Path, chain: ChainMaker, tmp_path: Path) -> None:
        file = tmp_path / "model.proof"
        assert edge_client("prove", "model", "--state", lived, "-o", file).exit_code == 0
        found = proven(edge_client("verify-proof", file, "--chain", chain.chain_id.hex(), "--json"))
        assert (found["claims"][0]["root"], found["claims"][0]["height"]) == (chain.state.model_root.hex(), 6)

    def test_the_checkpoint_may_be_any_header_up_to_the_head(
        self, lived: Path, chain: ChainMaker, tmp_path: Path
    ) -> None:
        file = tmp_path / "model.proof"
        for height in range(1, 7):
            made = edge_client("prove", "model", "--state", lived, "-o", file, "--checkpoint", str(height))
            assert made.exit_code == 0, made.output
            trusted = checkpoint_text(chain, height)
            proven(edge_client("verify-proof", file, "--checkpoint", trusted, "--json"))

    @pytest.mark.parametrize(
        ("what", "sentence"),
        [
            (("update", "ab" * 32), "no proof of inclusion of that update"),
            (("update", "ab"), "no update root: 64 hex digits"),
            (("model", "--checkpoint", "7"), "the head has height 6"),
        ],
    )
    def test_what_it_cannot_prove(
        self, lived: Path, tmp_path: Path, what: tuple[str, ...], sentence: str
    ) -> None:
        result = edge_client("prove", *what, "--state", lived, "-o", tmp_path / "x")
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize("what", ["balance", "model"])
    def test_a_device_that_never_ran_has_nothing_to_prove(
        self, state: Path, tmp_path: Path, what: str
    ) -> None:
        result = edge_client("prove", what, "--state", state, "-o", tmp_path / "x")
        assert result.exit_code == 2
        assert "run the device first" in result.stderr

    def test_a_folder_that_cannot_be_written(self, lived: Path, tmp_path: Path) -> None:
        result = edge_client("prove", "model", "--state", lived, "-o", tmp_path / "none" / "x")
        assert result.exit_code == 2
        assert "cannot write" in result.stderr

    def test_a_damaged_history_proves_nothing(self, lived: Path, chain: ChainMaker, tmp_path: Path) -> None:
        disk = DeviceDisk(lived, chain.chain_id)
        disk._database.conn.execute("UPDATE headers SET linked = zeroblob(84) WHERE height = 4")
        disk._database.conn.commit()
        disk.close()
        result = edge_client("prove", "update", own_root(chain), "--state", lived, "-o", tmp_path / "x")
        assert result.exit_code == 2
        assert "the stored chain does not hold" in result.stderr


class TestVerifying:
    def test_in_words(self, written: Path, chain: ChainMaker) -> None:
        text = edge_client("verify-proof", written, "--checkpoint", checkpoint_text(chain, 1)).stdout
        assert f"proven: update {own_root(chain)} stands in the block of height 2" in text
        assert "3 of the 4 validators" in text

    def test_a_founder_may_claim_any_time(self, tmp_path: Path) -> None:
        chain, file = ChainMaker(make_genesis(t0_s=(1 << 64) - 1)), tmp_path / "late.proof"
        chain.add()
        file.write_bytes(ProofFile(chain.genesis, make_bundle(chain, (model_proof(chain),))).encode())
        found = proven(edge_client("verify-proof", file, "--chain", chain.chain_id.hex(), "--json"))
        assert found["head"]["time"] == "beyond year 9999"

    def test_something_must_be_trusted(self, written: Path) -> None:
        result = edge_client("verify-proof", written)
        assert result.exit_code == 2
        assert "--chain ID or --checkpoint HEIGHT:HASH" in result.stderr

    @pytest.mark.parametrize(
        ("anchor", "sentence"),
        [
            (("--chain", "ab" * 32), "about another chain"),
            (("--chain", "abcd"), "64 hex digits"),
            (("--chain", "x" * 64), "64 hex digits"),
            (("--checkpoint", "1"), "HEIGHT:HASH"),
            (("--checkpoint", f"1:{'ab' * 32}"), "about another chain"),
            (("--checkpoint", f"3:{'ab' * 32}"), "prove --checkpoint 3"),
        ],
    )
    def test_what_is_not_proven_to_somebody_else(
        self, written: Path, anchor: tuple[str, str], sentence: str
    ) -> None:
        result = edge_client("verify-proof", written, *anchor)
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert result.stdout == ""

    def test_a_changed_byte(self, written: Path, chain: ChainMaker) -> None:
        data = bytearray(written.read_bytes())
        data[-1] ^= 1
        written.write_bytes(data)
        result = edge_client("verify-proof", written, "--chain", chain.chain_id.hex(), "--json")
        assert result.exit_code == 2
        assert json.loads(result.stdout)["proven"] is False

    @pytest.mark.parametrize("data", [b"", b"flcproof", b"PK" + bytes(100), b"flcproof" + bytes(1 << 20)])
    def test_files_that_are_no_proofs(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "x").write_bytes(data)
        for file in (tmp_path / "x", tmp_path / "missing", tmp_path):
            result = edge_client("verify-proof", file, "--chain", "ab" * 32)
            assert result.exit_code == 2
            assert result.stderr.count("\n") == 1

    def test_a_forked_chain_needs_a_person(self, chain: ChainMaker, tmp_path: Path) -> None:
        """Same validators, another block of height 1: one side's checkpoint contradicts the other's head."""
        fork, file = ChainMaker(make_genesis(t0_s=T0_S)), tmp_path / "fork.proof"
        chain.add()
        fork.add(time_s=77)
        fork.add()
        file.write_bytes(ProofFile(fork.genesis, make_bundle(fork, (model_proof(fork),), 1)).encode())
        arguments = ("--chain", chain.chain_id.hex(), "--checkpoint", checkpoint_text(chain, 1))
        result = edge_client("verify-proof", file, *arguments)
        assert result.exit_code == 4
        assert "forked" in result.stderr


@pytest.mark.parametrize("command", [("prove",), ("prove", "update"), ("verify-proof",)])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    assert edge_client(*command, "--help").exit_code == 0
