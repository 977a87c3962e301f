"""Each way in which a connection can fail is told apart, with a way out."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from edge_client.runtime.link_fault import TAKEN_OVER, LinkFault, Step, link_fault, login_fault
from edge_client.runtime.tls import TlsError


def certificate(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


def alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "step", "why", "mend"),
    [
        (socket.gaierror(-2, "Name or service not known"), Step.NAME, "cannot be resolved", "getent hosts"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), Step.TCP, "nothing listens", "port right"),
        (TimeoutError("timed out"), Step.TCP, "no answer", "firewall"),
        (OSError(errno.ENETUNREACH, "x"), Step.TCP, "there is no network", "ip route"),
        (OSError(errno.EHOSTUNREACH, "x"), Step.TCP, "cannot be reached", "ip route"),
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), Step.TCP, "reset by peer", "with TLS"),
        (certificate(10), Step.TLS, "has expired", "date"),
        (certificate(9), Step.TLS, "not valid yet", "timedatectl"),
        (certificate(62), Step.TLS, "another host name", "name in the certificate"),
        (certificate(19), Step.TLS, "no authority that is trusted", "mqtt.ca_file"),
        (certificate(20), Step.TLS, "no authority that is trusted", "mqtt.ca_file"),
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Step.TLS, "this node's certificate", "mqtt.cert_file"),
        (alert("WRONG_VERSION_NUMBER"), Step.TLS, "no TLS connection", "mqtt://"),
        (TlsError("h:1 does not show the certificate"), Step.TLS, "does not show", "[mqtt]"),
    ],
)
def test_what_fails_is_told_with_its_step_and_the_way_out(
    error: Exception, step: Step, why: str, mend: str
) -> None:
    fault = link_fault(error)
    assert fault.step == step
    assert why in fault.why
    assert mend in fault.mend


@pytest.mark.parametrize("reason", ["Not authorized", "Bad user name or password"])
def test_a_refused_login_leads_to_what_proves_who_we_are(reason: str) -> None:
    assert "mqtt.password_file or mqtt.cert_file" in login_fault(reason).mend
    assert reason in login_fault(reason).why


def test_a_server_that_is_busy_is_tried_again() -> None:
    assert "tried again" in login_fault("Server unavailable").mend


def test_two_processes_of_one_key() -> None:
    assert LinkFault(Step.LOGIN, TAKEN_OVER.why, TAKEN_OVER.mend) == TAKEN_OVER
    assert "one key, one process" in TAKEN_OVER.mend
