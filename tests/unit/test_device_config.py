from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from edge_client.config import DeviceConfig, device_toml, read_config
from edge_client.core.conditions.limits import GATES, OWNER_GATE, Limits
from edge_client.device_folder import CONFIG_FILE
from edge_client.protocol.join import Join
from edge_client.runtime.settings import SettingsError
from edge_client.runtime.transport import Will

JOIN = Join(("mqtt://one:1884", "mqtt://two"), bytes(range(32))).text()
LIMITS = [field.name for field in fields(Limits)]
TLS_JOIN = Join(("mqtts://one",), bytes(range(32)), ca_sha256=b"c" * 32).text()


def write(folder: Path, text: str) -> Path:
    (folder / CONFIG_FILE).write_text(text)
    return folder


def config(folder: Path, join: str = JOIN, more: str = "") -> DeviceConfig:
    text = f'[chain]\njoin = "{join}"\n[identity]\nkey_file = "device.key"\n[data]\nsource = "npz:d.npz"\n'
    return read_config(write(folder, text + more))


def test_what_init_writes_is_a_configuration(tmp_path: Path) -> None:
    source = 'npz:/data/we"ird \\ name\n\x7f\tö.npz'
    read = read_config(write(tmp_path, device_toml(JOIN, source)))
    assert read.chain.parsed().text() == JOIN
    assert read.identity.key_file == tmp_path / "device.key"
    assert read.own_data(tmp_path).source.text == source
    assert (read.training.threads, read.mqtt.keepalive_s) == (1, 60)


def test_a_source_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        device_toml(JOIN, "npz:/data/\udcff.npz")


def test_every_commented_line_of_init_is_a_valid_setting(tmp_path: Path) -> None:
    text = device_toml(TLS_JOIN, "csv:d.csv")
    for line in (
        "ca_file",
        "cert_file",
        "key_file = ",
        "password_file",
        "keepalive_s",
        "threads",
        "keep_samples",
        "keep_days",
        "classes",
        "label_column",
        "time_column",
        "model_updated",
        *LIMITS,
    ):
        assert f"# {line}" in text
        text = text.replace(f"# {line}", line)
    (tmp_path / "mqtt.password").write_text("secret\n")
    read = read_config(write(tmp_path, text))
    options = read.mqtt_options("a" * 32, Will("t", b"lost"))
    assert options.password == "secret"
    assert options.tls.ca_file == tmp_path / "ca.pem"
    assert options.tls.ca_sha256 == b"c" * 32
    assert str(options.servers[0]) == "mqtts://one:8883"
    assert options.at_most_once == (
        f"fl/v1/{read.chain.parsed().chain_id.hex()[:16]}/down/{'a' * 32}/+/chunk/+/+",
    )


def test_init_shows_every_setting_there_is() -> None:
    text = device_toml(JOIN, "npz:d.npz")
    for section, kind in get_type_hints(DeviceConfig).items():
        shown = text.partition(f"[{section}]")[2].partition("\n[")[0]
        for setting in fields(kind):
            line = re.search(rf"^(# )?{setting.name} = .*", shown, re.MULTILINE)
            assert line is not None, f"{section}.{setting.name}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[chain\njoin = 'x'", "not valid TOML: .*line 1"),
        ("[chain]\njoin = flchain:abc", "not valid TOML: .*line 2"),
        ("[limit]\nx = 1", r"line 1: unknown key 'limit'; did you mean 'limits'\?"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_config(write(tmp_path, text))


def test_a_board_for_nothing_else_is_held_back_by_its_owner_only(tmp_path: Path) -> None:
    read = read_config(write(tmp_path, device_toml(JOIN, "npz:d.npz", always=True)))
    assert set(read.limits.ignore) == set(GATES) - {OWNER_GATE}


def test_servers_come_from_the_join_string(tmp_path: Path) -> None:
    options = config(tmp_path).mqtt_options("a" * 32, Will("t", b"lost"))
    assert [str(one) for one in options.servers] == ["mqtt://one:1884", "mqtt://two:1883"]
    assert options.client_id == "a" * 32


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("[mqtt]\nkeepalive = 60\n", "line 8: unknown key 'mqtt.keepalive'; did you mean 'keepalive_s'"),
        ("[training]\nthreads = 0\n", "line 8: threads must be 1 to 64, not 0"),
        ('[training]\nthreads = "2"\n', "line 8: 'training.threads' must be a whole number"),
        ('[mqtt]\ncert_file = "a.pem"\n', "line 8: cert_file and key_file go together"),
        ("[mqtt]\nkeepalive_s = 1\n", "line 8: keepalive_s must be 5 to 65535, not 1"),
        ('[mqtt]\nca_file = "ca.pem"\n', "line 7: mqtt has certificate files, but no server"),
        ("keep_days = 0\n", "line 7: keep_days must be 1 or more, not 0; leave it out to keep all"),
        ('classes = ["a", "a"]\n', "line 7: classes names a class twice"),
        ('label_column = "y"\n', "line 7: label_column is for csv: sources only"),
        ('[hooks]\nmodel_updated = "a \'b"\n', "line 8: model_updated cannot be read: No closing quotation"),
        ("[trainning]\nthreads = 1\n", "line 7: unknown key 'trainning'; did you mean 'training'"),
        ("[limits]\nhours = 'nights'\n", "line 8: hours must be 'any', 'night' or like"),
        ("[limits]\nbattery_stop_pct = 20\n", "line 8: battery_stop_pct must be 30 to 100, not 20"),
        ("[mqtt\n", "not valid TOML"),
    ],
)
def test_mistakes_name_key_and_line(tmp_path: Path, more: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)) as error:
        config(tmp_path, more=more)
    assert str(tmp_path / CONFIG_FILE) in str(error.value)


def test_a_typo_in_the_join_string(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="line 2: join cannot be used: the join string has a typo"):
        config(tmp_path, join=JOIN.replace("one", "onn"))


def test_another_kind_of_data(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"line 6: source must be npz:PATH, csv:PATH, .*, not 'cvs:x'"):
        read_config(
            write(
                tmp_path,
                f'[chain]\njoin = "{JOIN}"\n[identity]\nkey_file = "k"\n[data]\nsource = "cvs:x"\n',
            )
        )


def test_missing_things(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no configuration file"):
        read_config(tmp_path)
    with pytest.raises(SettingsError, match=r"'identity\.key_file' is missing"):
        read_config(write(tmp_path, f'[chain]\njoin = "{JOIN}"\n[data]\nsource = "npz:x"\n'))


def test_a_password_file_that_cannot_be_read(tmp_path: Path) -> None:
    read = config(tmp_path, more='[mqtt]\npassword_file = "nowhere"\n')
    with pytest.raises(SettingsError, match="cannot read the password file"):
        read.mqtt_options("a" * 32, Will("t", b"lost"))
