"""`edge-client trust`: the file, the running agent that looks for it, the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_client.adapters.trust_file import (
    LOOK_INTERVAL_MS,
    TRUST_FILE,
    Trusting,
    later,
    read_trusted,
    write_trusted,
)
from edge_client.core.agent import Agent, Phase
from edge_client.core.events import SaveChain, Trusts
from edge_client.core.identity import Identity
from edge_client.core.verify import DAY_MS
from edge_client.protocol.join import Checkpoint
from edge_client.protocol.machine import LinkUp, Woke
from edge_client.protocol.messages import Ask
from edge_client.protocol.vouched import GetVouched
from tests.builders import ChainMaker
from tests.device_world import NOW_MS, DeviceWorld
from tests.owned_device import edge_client, init_device

WORD = Checkpoint(7, bytes(range(32)))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_trusted(tmp_path) is None
    write_trusted(tmp_path, WORD)
    assert read_trusted(tmp_path) == WORD


@pytest.mark.parametrize("content", [b"", b"7", b"7:ab", b"\xff\xfe", b"x" * 1000])
def test_a_file_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TRUST_FILE).write_bytes(content)
    assert read_trusted(tmp_path) is None


def test_the_higher_header_counts() -> None:
    higher = Checkpoint(8, bytes(32))
    assert later(None, None) is None
    assert later(WORD, None) == later(None, WORD) == WORD
    assert later(WORD, higher) == later(higher, WORD) == higher


@pytest.fixture
def slept() -> DeviceWorld:
    """A device that joined, and wakes up a day after its trust has ended."""
    world = DeviceWorld(ChainMaker(devices=2)).join()
    world.now_ms = NOW_MS + 22 * DAY_MS
    world.restart()
    return world


def agent_of(world: DeviceWorld) -> Agent:
    return Agent(Identity(world.signer, world.chain.chain_id), bytes(32), world.disk.stored)


def asked(effects: Sequence[object], world: DeviceWorld) -> list[object]:
    topic = world.identity.topics.up_ask(world.identity.device)
    return [Ask.decode(one.payload).question for one in effects if getattr(one, "topic", "") == topic]  # type: ignore[attr-defined]


def test_an_agent_that_cannot_go_on_looks_for_the_owners_word(slept: DeviceWorld, tmp_path: Path) -> None:
    agent, now_ms = agent_of(slept), slept.now_ms
    machine = Trusting(agent, agent, tmp_path)
    machine.handle(LinkUp("a server"), now_ms)
    assert agent.phase == Phase.NEED_CHECKPOINT
    due_ms = machine.deadline()
    assert due_ms is not None
    assert due_ms <= now_ms + LOOK_INTERVAL_MS
    height = slept.chain.height + 5
    write_trusted(tmp_path, Checkpoint(height, bytes(32)))
    assert not [
        one for one in asked(machine.handle(Woke(), now_ms + 1), slept) if isinstance(one, GetVouched)
    ]
    effects = machine.handle(Woke(), now_ms + LOOK_INTERVAL_MS)
    assert GetVouched(slept.chain.height, height) in asked(effects, slept)


def test_while_trust_lasts_nobody_looks(tmp_path: Path) -> None:
    world = DeviceWorld(ChainMaker(devices=2)).join()
    write_trusted(tmp_path, WORD)
    agent = agent_of(world)
    machine = Trusting(agent, agent, tmp_path)
    assert not [
        one for one in machine.handle(LinkUp("a server"), NOW_MS) if isinstance(one, (Trusts, SaveChain))
    ]
    assert agent.phase != Phase.NEED_CHECKPOINT


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return init_device(tmp_path / "state", bytes(32))


def test_the_command_works_on_a_device_that_never_ran(state: Path) -> None:
    result = edge_client("trust", f"7:{WORD.header_hash.hex()}", "--state", state)
    assert result.exit_code == 0, result.output
    assert read_trusted(state) == WORD


@pytest.mark.parametrize("word", ["7", "7:ab", "x:" + "00" * 32, ":"])
def test_what_is_no_header(state: Path, word: str) -> None:
    result = edge_client("trust", word, "--state", state)
    assert result.exit_code == 2
    assert "HEIGHT:HASH" in result.stderr
