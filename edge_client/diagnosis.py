"""A bundle for whoever helps: what is known about a device, and none of its secrets.

Only what is listed here goes in. Of the configuration, join strings (they may hold a voucher; an old one may
stand in a comment) and the owner's command (it may hold a password) are cut, and so are the names of people's
folders wherever a path shows them.
"""

from __future__ import annotations

import io
import json
import platform
import re
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

from edge_client import __version__
from edge_client.adapters.device_disk import OBJECTS_FOLDER
from edge_client.adapters.model_files import FOLDER
from edge_client.config import DeviceConfig
from edge_client.device_folder import CONFIG_FILE
from edge_client.gating import read_gates
from edge_client.history import read_history
from edge_client.reading import read_status

PACKAGES = (
    "ai-edge-litert",
    "tflite-runtime",
    "numpy",
    "paho-mqtt",
    "psutil",
    "pynacl",
    *("sqlite-utils", "jeepney"),
)
CUT = (
    (re.compile(r"flchain:[^\s\"']*"), "(cut: may hold a voucher)"),
    (
        re.compile(r"^([\s#]*model_updated\s*=)(?:\s*(\"{3}|'{3})[\s\S]*?\2|.*$)", re.MULTILINE),
        r'\1 "(cut: may hold a password)"',
    ),
    (re.compile(r"/(home|Users)/[^/\s\"']+"), r"/\1/(cut)"),
)
FILES_MAX = 1000
"""Of the state folder; an owner who keeps his samples there has more."""


def write_diagnosis(target: Path, folder: Path, config: DeviceConfig, now_ms: int) -> list[str]:
    """Write the bundle (a new .tar.gz) and return the names in it. Raises `OSError`, `DatabaseError`,
    `KeyFileError`."""
    contents: dict[str, Callable[[], Any]] = {
        "versions.json": _versions,
        "files.json": lambda: _files(folder),
        "status.json": lambda: read_status(folder, config),
        "gates.json": lambda: [asdict(verdict) for verdict in read_gates(folder, config, now_ms)],
        "history.json": lambda: read_history(folder, config),
    }
    texts = {name: json.dumps(make(), indent=1) for name, make in contents.items()}
    texts[CONFIG_FILE] = (folder / CONFIG_FILE).read_text(encoding="utf-8").replace(config.chain.join, "")
    members = {name: _without_secrets(text).encode() for name, text in texts.items()}
    with target.open("xb") as file, tarfile.open(fileobj=file, mode="w:gz") as bundle:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), now_ms // 1000
            bundle.addfile(member, io.BytesIO(data))
    return list(members)


def _without_secrets(text: str) -> str:
    for pattern, instead in CUT:
        text = pattern.sub(instead, text)
    return text


def _files(folder: Path) -> dict[str, int]:
    """Sizes of our own files only: what the owner keeps beside them is not named. A running agent may delete
    one meanwhile."""
    found: dict[str, int] = {}
    inside = ((folder / name).glob("*") for name in (OBJECTS_FOLDER, FOLDER))
    for path in sorted(chain(folder.iterdir(), *inside)):
        with suppress(FileNotFoundError):
            if path.is_file() and len(found) < FILES_MAX:
                found[str(path.relative_to(folder))] = path.lstat().st_size
    return found


def _versions() -> dict[str, str]:
    found = {"edge-client": __version__, "python": sys.version, "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "-"
    return found
