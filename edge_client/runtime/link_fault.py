"""Why no MQTT connection comes about, told apart by the step that failed, with the way out.

The same words stand in the log of a running node (`connect_failed`) and in `edge-client doctor`.
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import Enum

from edge_client.runtime.tls import TlsError


class Step(str, Enum):
    """The steps of a connection, in order."""

    NAME = "name"
    TCP = "tcp"
    TLS = "tls"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class LinkFault:
    """The step that failed, what happened, and what the owner can do; each is for people."""

    step: Step
    why: str
    mend: str


_EXPIRED, _NOT_YET, _OTHER_HOST = 10, 9, 62
"""OpenSSL's X509_V_ERR_*; every other code means that nobody we trust signed the certificate."""

_CLOCK = "look at the clock of this board first (`date`)"
_CERTIFICATES = {
    _EXPIRED: ("the server's certificate has expired", f"{_CLOCK}; if it is right, the server needs another"),
    _NOT_YET: ("the server's certificate is not valid yet", f"{_CLOCK}: sudo timedatectl set-ntp true"),
    _OTHER_HOST: (
        "the server's certificate is for another host name",
        "use the name in the certificate (a new join string), or a certificate for this name",
    ),
}
_UNKNOWN_AUTHORITY = (
    "no authority that is trusted here signed the server's certificate",
    "give its PEM as mqtt.ca_file in the configuration",
)
_TCP = {
    errno.ECONNREFUSED: ("nothing listens there", "is the MQTT server running, and is the port right?"),
    errno.ECONNRESET: ("the connection is reset by peer", "is it a server, and for mqtts:// one with TLS?"),
    errno.ETIMEDOUT: ("no answer", "a firewall, a wrong address, or no network: ping the host"),
    errno.EHOSTUNREACH: ("the host cannot be reached", "is this board on the network? `ip route`"),
    errno.ENETUNREACH: ("there is no network", "is this board on the network? `ip route`"),
}


def link_fault(error: Exception) -> LinkFault:
    """What an exception of connecting means."""
    if isinstance(error, socket.gaierror):
        why = f"the host name cannot be resolved ({error.strerror})"
        return LinkFault(Step.NAME, why, "is the name right, and does DNS work? `getent hosts NAME`")
    if isinstance(error, TlsError):
        return LinkFault(
            Step.TLS, str(error), "look at [mqtt] in the configuration, and at the server's certificates"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkFault(Step.TLS, *_CERTIFICATES.get(error.verify_code, _UNKNOWN_AUTHORITY))
    if isinstance(error, ssl.SSLError):
        return handshake_fault(error.reason or str(error))
    number = errno.ETIMEDOUT if isinstance(error, TimeoutError) else getattr(error, "errno", None)
    why, mend = _TCP.get(number or 0, (str(error), "is the address right, and the server up?"))
    return LinkFault(Step.TCP, why, mend)


_CERTIFICATE = "give mqtt.cert_file and mqtt.key_file, signed by the authority that the server trusts"


def handshake_fault(reason: str) -> LinkFault:
    """`reason` is OpenSSL's name for what went wrong; with TLS 1.3 it may come after the handshake."""
    if "ALERT" in reason:  # the other side complains: about our certificate, or that there is none
        why = f"the server does not accept this node's certificate ({reason})"
        return LinkFault(Step.TLS, why, _CERTIFICATE)
    why = f"no TLS connection ({reason})"
    return LinkFault(Step.TLS, why, "does the port speak TLS? mqtt:// is for ports that do not")


def login_fault(reason: str) -> LinkFault:
    """The server answered CONNECT with a refusal; `reason` is its name in MQTT."""
    why = f"the server refuses us: {reason}"
    if reason in {"Not authorized", "Bad user name or password", "Banned", "Client identifier not valid"}:
        mend = "compare mqtt.password_file or mqtt.cert_file with what the server's operator gave for this id"
    else:
        mend = "the server's log says why; it is tried again"
    return LinkFault(Step.LOGIN, why, mend)


UNANSWERED_TLS = LinkFault(
    Step.TLS,
    "the connection broke before the server answered",
    f"if it does not accept this node's certificate, or that there is none, {_CERTIFICATE}",
)
"""A server that refuses a certificate sends an alert and closes; with TLS 1.3 our CONNECT is on its way by
then, so the server's kernel resets the connection, and the reset may overtake the alert."""

SHORT_LINKS = LinkFault(
    Step.LOGIN,
    "the server closes one connection after the other",
    "if another process uses the same key, stop it; else the server's log says why",
)
"""How a login with the same id looks when the server (Mosquitto 2.0, or MQTT 3.1.1) does not say so."""

TAKEN_OVER = LinkFault(
    Step.LOGIN,
    "another client has logged in with this node's id",
    "stop the other process, or give it a key of its own: one key, one process",
)
