"""`edge-broker audit`: a validator's own store, executed again; what is wrong in it convinces others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.commands.validator import CONFIG_FILE
from broker.config import validator_toml
from broker.core.effects import StoreBlock, StoreFinal, StoreUpdateBody
from broker.core.ledger import included_updates
from broker.founding import ChainFiles
from broker.service import open_store
from edge_client import cli as client
from edge_client.protocol.header import Header
from edge_client.protocol.keys import node_id
from edge_client.runtime.keystore import create_seed
from edge_client.runtime.lock import single_instance
from tests.builders import GRAPH_BYTES, ChainMaker, chain_of, make_model, make_signers, register
from tests.candidacies import opt_in, voting_chain
from tests.fraud_cases import forbidden, overwrite

WINDOW = 8


def run(command: object, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments])  # type: ignore[arg-type]


def edge_broker(*arguments: str | Path) -> Result:
    return run(main, *arguments)


def facts_of(file: Path, chain: ChainMaker) -> Any:
    """What `verify-proof` tells programs."""
    result = run(client.main, "verify-proof", file, "--chain", chain.chain_id.hex(), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def seated_of_genesis(header: Header) -> tuple[int, ...]:
    """Seats whose keys are still those of genesis; the first one changes in these tests."""
    return (1, 2, 3) if header.epoch else (0, 1, 2)


def folder_of(chain: ChainMaker, parent: Path, without: Sequence[int] = ()) -> Path:
    """A validator's folder in which this chain is final; blocks of `without` came without a certificate."""
    files = ChainFiles(chain.genesis, GRAPH_BYTES, make_model())
    files.write(parent / "chain")
    made = parent / "validator-0"
    made.mkdir()
    (made / CONFIG_FILE).write_text(validator_toml(("mqtt://127.0.0.1:1",)))
    create_seed(made / "validator.key")
    store = open_store(made / "state", files)
    for height, (header, body) in enumerate(zip(chain.headers, chain.bodies, strict=True), 1):
        state, header_hash = chain.states[height], header.hash(chain.chain_id)
        for head in body.updates:
            store.store_update_body(StoreUpdateBody(head.update_root, chain.update_bodies[head.update_root]))
        parent_hash = chain.leaves()[height - 1]
        store.store_block(StoreBlock(header_hash, parent_hash, header, body))
        store.store_final(
            StoreFinal(
                header,
                header_hash,
                None if height in without else chain.certificate(height, seated_of_genesis(header)),
                state,
                tuple(enumerate(state.accounts)),
                chain.outcomes[height - 1].model,
                included_updates(body),
                chain.peaks(height),
            )
        )
    store.close()
    return made


def rounds(count: int, **params: Any) -> ChainMaker:
    """Height count + 1: devices joined, then rounds of two of them in turn."""
    chain = chain_of(4, **params)
    for number in range(count):
        chain.close_round((0, 1) if number % 2 else (2, 3))
    return chain


@pytest.fixture
def chain() -> ChainMaker:
    return rounds(2)


def cheated(chain: ChainMaker) -> ChainMaker:
    """The last block claims another model than its updates make."""
    overwrite(chain, replace(chain.state.app_leaves(), model_root=bytes(32)))
    return chain


# --- right blocks ----------------------------------------------------------------------------------------


def test_a_young_chain_is_executed_from_genesis(tmp_path: Path, chain: ChainMaker) -> None:
    result = edge_broker("audit", folder_of(chain, tmp_path))
    assert result.exit_code == 0, result.output
    assert "blocks 1 to 3 are exactly what execution gives, from genesis on" in result.output
    assert "up to height 3 they are final, by 3 signatures" in result.output


def test_after_pruning_it_starts_from_a_kept_state(tmp_path: Path) -> None:
    """Height 22: bodies up to 14 are gone, the states of 16 and 20 are kept."""
    folder = folder_of(rounds(21, body_window=WINDOW, staleness_max=3), tmp_path)
    result = edge_broker("audit", folder)
    assert "blocks 17 to 22 are exactly what execution gives, from the state of height 16 on" in result.output
    result = edge_broker("audit", folder, "--height", "21")
    assert "blocks 21 to 21 are exactly what execution gives, from the state of height 20 on" in result.output
    result = edge_broker("audit", folder, "--from", "18", "--to", "19")
    assert "blocks 18 to 19" in result.output
    result = edge_broker("audit", folder, "--from", "16")
    assert (result.exit_code, "--from 17" in result.output) == (2, True)


def test_blocks_without_an_own_certificate_are_audited_too(tmp_path: Path, chain: ChainMaker) -> None:
    folder = folder_of(chain, tmp_path, without=(1, 2))
    result = edge_broker("audit", folder, "--to", "2")
    assert result.exit_code == 0
    assert "a later header makes them final" in result.output


# --- wrong ones ------------------------------------------------------------------------------------------


def test_a_wrong_block_ends_with_four_and_a_proof_for_others(tmp_path: Path, chain: ChainMaker) -> None:
    folder, file = folder_of(cheated(chain), tmp_path), tmp_path / "wrong.fraud"
    result = edge_broker("audit", folder, "--write", file)
    assert result.exit_code == 4, result.output
    assert "block 3 is final and wrong: " in result.output
    shown = run(client.main, "verify-proof", file, "--chain", chain.chain_id.hex())
    assert shown.exit_code == 0, shown.output
    assert "proven: the block of height 3 is wrong" in shown.output
    assert node_id(chain.validators.keys[0]) in shown.output
    told = json.loads(
        run(client.main, "verify-proof", file, "--chain", chain.chain_id.hex(), "--json").output
    )
    assert (told["proven"], told["fraud"]["height"], told["fraud"]["final_height"]) == (True, 3, 3)
    assert [one["index"] for one in told["fraud"]["signers"]] == [0, 1, 2]


def test_a_validator_that_cheats_itself_shows_what_it_claimed(tmp_path: Path, chain: ChainMaker) -> None:
    """Its own state gives it away: somebody else's folder may be audited like one's own."""
    rich = replace(chain.state.accounts[0], balance=1 << 40)
    chain.states[-1] = replace(chain.state, accounts=chain.state.accounts.changed({0: rich}, []))
    overwrite(chain, chain.state.app_leaves())
    file = tmp_path / "wrong.fraud"
    assert edge_broker("audit", folder_of(chain, tmp_path), "--write", file).exit_code == 4
    assert facts_of(file, chain)["fraud"]["wrong"] == ["state"]


def test_a_wrong_block_under_a_later_certificate(tmp_path: Path, chain: ChainMaker) -> None:
    cheated(chain).add([register(make_signers(9, "device")[8], chain.chain_id)])
    folder, file = folder_of(chain, tmp_path, without=(3,)), tmp_path / "wrong.fraud"
    assert edge_broker("audit", folder, "--write", file).exit_code == 4
    told = json.loads(
        run(client.main, "verify-proof", file, "--chain", chain.chain_id.hex(), "--json").output
    )
    assert (told["fraud"]["height"], told["fraud"]["final_height"]) == (3, 4)


def test_a_wrong_block_of_a_later_epoch(tmp_path: Path) -> None:
    """Block 3 gives seat 0 to an account; the set of the next epoch makes the wrong block 4 final."""
    chain, file = voting_chain(epoch_blocks=3), tmp_path / "wrong.fraud"
    chain.add([opt_in(chain, 1)])
    chain.close_round()
    folder = folder_of(cheated(chain), tmp_path)
    assert "blocks 1 to 3" in edge_broker("audit", folder, "--to", "3").output
    assert edge_broker("audit", folder, "--write", file).exit_code == 4
    facts = facts_of(file, chain)["fraud"]
    assert (facts["height"], [one["index"] for one in facts["signers"]]) == (4, [1, 2, 3])


def test_it_works_beside_a_running_validator(tmp_path: Path, chain: ChainMaker) -> None:
    folder = folder_of(chain, tmp_path)
    store = open_store(folder / "state", ChainFiles.read(tmp_path / "chain"))
    with single_instance(folder / "state", "validator"):
        assert edge_broker("audit", folder).exit_code == 0
    store.close()


def test_forbidden_records_are_proven(tmp_path: Path, chain: ChainMaker) -> None:
    honest = register(make_signers(9, "device")[8], chain.chain_id)
    forbidden(chain, [replace(honest, signature=bytes(64))])
    folder, file = folder_of(chain, tmp_path), tmp_path / "wrong.fraud"
    result = edge_broker("audit", folder, "--height", "3", "--write", file)
    assert (result.exit_code, "not allowed" in result.output) == (4, True)
    shown = run(client.main, "verify-proof", file, "--chain", chain.chain_id.hex())
    assert "it is not allowed on its parent (bad-signature" in shown.output


def test_the_proof_goes_beside_you_unless_told(
    tmp_path: Path, chain: ChainMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(cheated(chain), tmp_path)
    monkeypatch.chdir(tmp_path)
    assert edge_broker("audit", folder).exit_code == 4
    assert (tmp_path / "block-3.fraud").is_file()
    nowhere = edge_broker("audit", folder, "--write", tmp_path / "none" / "x")
    assert (nowhere.exit_code, "cannot write" in nowhere.output) == (3, True)


# --- what proves nothing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "damage", "says"),
    [
        ("updates", True, "is not the one named"),
        ("updates", False, "is not stored"),
        ("blocks", True, "is damaged"),
        ("blocks", False, "its body is not stored"),
    ],
)
def test_a_damaged_disk_is_no_fraud(
    tmp_path: Path, chain: ChainMaker, kind: str, damage: bool, says: str
) -> None:
    folder = folder_of(chain, tmp_path)
    for file in (folder / "state" / kind).iterdir():
        data = file.read_bytes()
        if damage:
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        else:
            file.unlink()
    result = edge_broker("audit", folder)
    assert (result.exit_code, says in result.output) == (2, True), result.output


def test_a_folder_without_blocks_and_heights_above_the_head(tmp_path: Path, chain: ChainMaker) -> None:
    folder = folder_of(chain, tmp_path)
    assert "block 9 is not final here" in edge_broker("audit", folder, "--height", "9").output
    for wrong in (("--height", "1", "--to", "2"), ("--from", "3", "--to", "2"), ("--height", "0")):
        assert edge_broker("audit", folder, *wrong).exit_code == 2
    (folder / "state" / "validator.db").unlink()
    result = edge_broker("audit", folder)
    assert (result.exit_code, "no final block" in result.output) == (2, True)


def test_a_fraud_proof_of_a_right_block_proves_nothing(tmp_path: Path, chain: ChainMaker) -> None:
    from tests.fraud_cases import fraud_proof

    file, anchor = tmp_path / "right.fraud", ("--chain", chain.chain_id.hex())
    file.write_bytes(fraud_proof(chain, 3).encode())
    result = run(client.main, "verify-proof", file, *anchor)
    assert (result.exit_code, "gives exactly what its header says" in result.output) == (2, True)
    told = json.loads(run(client.main, "verify-proof", file, *anchor, "--json").stdout)
    assert told["proven"] is False
    result = run(client.main, "verify-proof", file, *anchor, "--checkpoint", f"3:{'ab' * 32}")
    assert (result.exit_code, "contradict your checkpoint" in result.output) == (4, True)
    assert run(client.main, "verify-proof", file, file, *anchor).exit_code == 2
    file.write_bytes(file.read_bytes()[:-1])
    assert "cannot be read as a proof" in run(client.main, "verify-proof", file, *anchor).output
