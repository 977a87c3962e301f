"""A bundle for whoever helps: what is known about a device, and none of its secrets.

Only what is listed here goes in; of the configuration, the join string (it may hold a voucher) is cut.
"""

from __future__ import annotations

import io
import json
import platform
import re
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge_client import __version__
from edge_client.config import CONFIG_FILE, DeviceConfig
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
JOIN_LINE = re.compile(r"^(\s*join\s*=).*$", re.MULTILINE)


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
    members = {name: json.dumps(make(), indent=1).encode() for name, make in contents.items()}
    members[CONFIG_FILE] = _configuration(folder, config).encode()
    with target.open("xb") as file, tarfile.open(fileobj=file, mode="w:gz") as bundle:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), now_ms // 1000
            bundle.addfile(member, io.BytesIO(data))
    return list(members)


def _configuration(folder: Path, config: DeviceConfig) -> str:
    text = (folder / CONFIG_FILE).read_text(encoding="utf-8").replace(config.chain.join, "")
    return JOIN_LINE.sub(r'\1 "(cut: may hold a voucher)"', text)


def _files(folder: Path) -> dict[str, int]:
    """Sizes only; what is in the files stays where it is."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.lstat().st_size for path in found}


def _versions() -> dict[str, str]:
    found = {"edge-client": __version__, "python": sys.version, "system": platform.platform()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "-"
    return found
