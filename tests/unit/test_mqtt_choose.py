from __future__ import annotations

from pathlib import Path

import pytest

from broker.mqtt_server import choose, embedded, mosquitto
from broker.mqtt_server.choose import Choice
from broker.mqtt_server.process import MqttServerError
from tests.transport_rigs import ACCESS


@pytest.mark.parametrize(
    ("choice", "binary", "chosen"),
    [
        ("auto", "/usr/sbin/mosquitto", "mosquitto"),
        ("auto", None, "embedded"),
        ("embedded", "/usr/sbin/mosquitto", "embedded"),
        ("mosquitto", "/usr/sbin/mosquitto", "mosquitto"),
    ],
)
def test_choice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, choice: Choice, binary: str | None, chosen: str
) -> None:
    monkeypatch.setattr(mosquitto, "find_binary", lambda: binary)
    assert choose.local_server(choice, tmp_path, ACCESS).name == chosen


def test_what_is_not_installed_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(mosquitto, "find_binary", lambda: None)
    monkeypatch.setattr(embedded, "available", lambda: False)
    with pytest.raises(MqttServerError, match="apt install mosquitto"):
        choose.local_server("mosquitto", tmp_path, ACCESS)
    with pytest.raises(MqttServerError, match="pip install"):
        choose.local_server("auto", tmp_path, ACCESS)
