"""`edge-client run` on a board that lacks what it needs: it says so before it joins anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_client import config
from edge_client.cli import main
from edge_client.device_folder import CONFIG_FILE
from edge_client.litert import graph


def test_without_a_tflite_runtime_it_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "RUNTIMES", ("no_such_runtime.interpreter", "nor_this.interpreter"))
    monkeypatch.setattr(config, "read_config", lambda _folder: None)
    (tmp_path / CONFIG_FILE).touch()
    result = CliRunner().invoke(main, ["run", "--state", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "no TFLite runtime is installed" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == [CONFIG_FILE]


def test_an_installed_runtime_is_found_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "RUNTIMES", ("no_such_runtime.interpreter", "json.decoder"))
    graph.require_runtime()
