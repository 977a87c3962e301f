"""Rights on the MQTT server for a validator that comes later: afterwards the list is as `init` writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.cli import main
from broker.mqtt_server.acl import AccessList
from broker.mqtt_server.admission import AdmissionError, admit, read_acl
from broker.mqtt_server.embedded import SETTINGS_FILE, local_server
from broker.mqtt_server.mosquitto import ACL_FILE, acl_text

CHAIN = "0123456789abcdef"
OLD, NEW = "a" * 32, "b" * 32
BEFORE, AFTER = AccessList(CHAIN, frozenset({OLD})), AccessList(CHAIN, frozenset({OLD, NEW}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ACL_FILE).write_text(acl_text(BEFORE))
    return tmp_path


def test_the_list_is_the_one_that_init_would_write_with_the_newcomer(folder: Path) -> None:
    assert admit(folder, NEW)
    assert (folder / ACL_FILE).read_text() == acl_text(AFTER)
    assert not admit(folder, NEW)


def test_the_embedded_server_gets_the_newcomer_among_its_validators(tmp_path: Path) -> None:
    local_server(tmp_path, BEFORE, port=1883)
    assert admit(tmp_path, NEW)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text()) == {
        "port": 1883,
        "chain": CHAIN,
        "validators": [OLD, NEW],
    }
    assert not admit(tmp_path, NEW)


@pytest.mark.parametrize("node", ["", "#", "+", "B" * 32, NEW + "\n", "b" * 64])
def test_a_name_that_is_no_node_id_never_gets_into_the_list(folder: Path, node: str) -> None:
    with pytest.raises(AdmissionError, match="not a node id"):
        admit(folder, node)
    assert read_acl((folder / ACL_FILE).read_text()) == BEFORE


def test_a_list_that_was_changed_by_hand_is_left_alone_and_the_lines_are_shown(folder: Path) -> None:
    edited = acl_text(BEFORE) + "user monitoring\ntopic read $SYS/#\n"
    (folder / ACL_FILE).write_text(edited)
    outcome = CliRunner().invoke(main, ["admit", str(folder), NEW])
    assert outcome.exit_code == 2
    assert f"user {NEW}\n" in outcome.output
    assert OLD not in outcome.output
    assert (folder / ACL_FILE).read_text() == edited


def test_a_folder_without_a_list_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(main, ["admit", str(tmp_path), NEW])
    assert outcome.exit_code == 2
    assert str(tmp_path) in outcome.output


def test_the_command_says_what_to_do_next(folder: Path) -> None:
    outcome = CliRunner().invoke(main, ["admit", str(folder), NEW])
    assert outcome.exit_code == 0
    assert "reload" in outcome.output
    assert "already" in CliRunner().invoke(main, ["admit", str(folder), NEW]).output
