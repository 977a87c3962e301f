"""The marker beside a validator's key, and the order in which it and the database are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.adapters.block_store import BlockStore
from broker.adapters.key_marker import MARKER_SUFFIX, KeyMarker
from broker.core.effects import AppendLog, EndRejoin
from broker.core.guard import RestoredError
from tests.builders import make_genesis


class Machine:
    """A key and a state folder, which a test may copy, lose or put back."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "validator.key"
        self.path = folder / "validator.key.log-id"
        self.state = folder / "state"

    def store(self) -> BlockStore:
        return BlockStore(self.state, make_genesis(), {})

    def bind(self) -> BlockStore:
        store = self.store()
        KeyMarker(self.key, store.log_name).bind()
        return store

    def sign(self) -> None:
        self.bind().append_log(AppendLog(0, 1, b"a vote"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_fresh_key_is_bound_and_goes_on(machine: Machine) -> None:
    machine.sign()
    assert machine.path.read_text() == machine.store().log_name.id().hex() + "\n"  # type: ignore[union-attr]
    assert machine.path.name == machine.key.name + MARKER_SUFFIX
    machine.sign()


def test_a_crash_before_the_marker_leaves_a_key_that_can_start(machine: Machine) -> None:
    machine.store().log_name.begin(b"id")
    machine.sign()
    assert machine.store().log_name.id() == b"id"


@pytest.mark.parametrize("what", ["database lost", "another database", "marker lost", "marker damaged"])
def test_what_was_put_together_anew_does_not_sign(machine: Machine, tmp_path: Path, what: str) -> None:
    machine.sign()
    if what == "database lost":
        machine.state.rename(tmp_path / "gone")
    elif what == "another database":
        machine.store().log_name.begin(b"another")
    elif what == "marker lost":
        machine.path.unlink()
    else:
        machine.path.write_bytes(b"\xff\xfe")
    with pytest.raises(RestoredError, match="--rejoin"):
        machine.bind()
    with pytest.raises(RestoredError):
        machine.bind()


def test_a_rejoin_that_has_not_ended_must_be_asked_for_again(machine: Machine) -> None:
    machine.sign()
    store = machine.store()
    KeyMarker(machine.key, store.log_name).loosen()
    with pytest.raises(RestoredError):
        machine.bind()
    KeyMarker(machine.key, store.log_name).end_rejoin(EndRejoin(77))
    assert machine.bind().load().sign_above == 77


def test_a_crash_between_the_two_writes_of_a_rejoin_does_not_sign(machine: Machine) -> None:
    machine.sign()
    store = machine.store()
    KeyMarker(machine.key, store.log_name).loosen()
    store.log_name.end_rejoin(EndRejoin(77))
    with pytest.raises(RestoredError):
        machine.bind()
