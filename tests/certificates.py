"""Certificates for tests and measurements: an authority, a server for localhost, clients; by `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_authority(folder: Path) -> None:
    """Write `ca.pem`, `server.pem` (the authority behind it) and `server.key` for localhost."""
    _issue(folder, "ca", "/CN=ca", "-addext", "basicConstraints=critical,CA:TRUE", signed=False)
    _issue(folder, "server", "/CN=server", "-addext", "subjectAltName=DNS:localhost")
    (folder / "server.pem").write_text((folder / "server.pem").read_text() + (folder / "ca.pem").read_text())


def issue_client(folder: Path, name: str, node: str) -> None:
    """Write `name.pem`, whose common name is the node's, and `name.key`."""
    _issue(folder, name, f"/CN={node}")


def _issue(folder: Path, name: str, subject: str, *extra: str, signed: bool = True) -> None:
    signer = ["-CA", "ca.pem", "-CAkey", "ca.key"] if signed else []
    files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", "-days", "2", *key, *signer, *files, "-subj", subject, *extra]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
