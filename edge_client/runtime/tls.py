"""TLS towards an MQTT server: a private certificate authority, a client certificate, or a pinned fingerprint.

The join string carries only the SHA-256 of the authority's certificate. A device that has nothing else asks
the server for its chain, takes the certificate with that fingerprint from it, and from then on verifies as
usual with that certificate as its only root: the bytes are what the pinned hash says. The server must
therefore send its authority along (its `certfile` holds its own certificate followed by the authority's).
"""

from __future__ import annotations

import hashlib
import hmac
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How to trust the server and how to prove who we are; all None = the system's authorities."""

    ca_file: Path | None = None
    """PEM; the only authorities that are trusted."""
    ca_sha256: bytes | None = None
    """Of the DER encoding of the authority's (or a self-signed server's) certificate."""
    cert_file: Path | None = None
    """PEM; the client certificate."""
    key_file: Path | None = None
    """PEM; its private key."""


class TlsError(Exception):
    """The TLS set-up cannot work; the text is one sentence for the user."""


def client_context(options: TlsOptions, host: str, port: int, timeout_s: float) -> ssl.SSLContext:
    """A verifying context for one server; TlsError, or OSError when the server does not show its chain."""
    if options.ca_sha256 is None or options.ca_file is not None:
        context = _context(options)
        if options.ca_sha256 is not None and not _find(context.get_ca_certs(True), options.ca_sha256):
            raise TlsError(f"{options.ca_file} does not hold the certificate that the join string names")
        return context
    pinned = _find(_chain(host, port, timeout_s), options.ca_sha256)
    if pinned is None:
        raise TlsError(f"{host}:{port} does not show the certificate that the join string names")
    return _context(options, pinned)


def _context(options: TlsOptions, root_der: bytes | None = None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca_file, cadata=root_der)
        if options.cert_file is not None:
            context.load_cert_chain(options.cert_file, options.key_file)
    except (OSError, ValueError) as error:
        files = [str(file) for file in (options.ca_file, options.cert_file, options.key_file) if file]
        raise TlsError(f"cannot use the certificate files {', '.join(files)}: {error}") from error
    return context


def _find(certificates: list[bytes], sha256: bytes) -> bytes | None:
    for der in certificates:
        if hmac.compare_digest(hashlib.sha256(der).digest(), sha256):
            return der
    return None


def _chain(host: str, port: int, timeout_s: float) -> list[bytes]:
    """What the server shows, unverified, as DER."""
    # A bare context: the system's authorities, which a default one loads, are megabytes and not asked here.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        # Public since Python 3.13; before, an object inside has the method and gives certificate objects.
        shown: Any = wrapped
        if not hasattr(wrapped, "get_unverified_chain"):
            shown = wrapped._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        return [_der(certificate) for certificate in shown.get_unverified_chain()]


def _der(certificate: Any) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    encoded: bytes = certificate.public_bytes(_ENCODING_DER)
    return encoded


_ENCODING_DER = 2
"""`_ssl.ENCODING_DER`, which has no public name."""
