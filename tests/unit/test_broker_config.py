"""What founding writes is what a validator reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.config import ValidatorConfig, validator_toml
from edge_client.runtime.settings import read_settings


def test_a_path_with_odd_characters_is_read_back(tmp_path: Path) -> None:
    path = '/etc/ca "ours" \\ 1\n\x7fö.pem'
    file = tmp_path / "validator.toml"
    file.write_text(validator_toml(("mqtts://host",), path), encoding="utf-8")
    assert read_settings(file, ValidatorConfig).mqtt.ca_file == Path(path)


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not UTF-8"):
        validator_toml(("mqtts://host",), str(tmp_path / "\udcff.pem"))
