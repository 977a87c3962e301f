"""Mosquitto (2.0.11 or newer): its configuration and access list, and a local one as a child process.

Every limit is set because the defaults let one flooding client grow the server without end; the figures are
those under which an attack was measured to stay below 60 MiB.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from broker.mqtt_server.acl import ANY_HEAR, ANY_PUBLISH, VALIDATOR_HEAR, VALIDATOR_PUBLISH, AccessList
from broker.mqtt_server.process import LOOPBACK, MqttServerProcess, free_port
from edge_client.protocol.topics import Topics
from edge_client.runtime.mqtt_options import ServerAddress

BINARY = "mosquitto"
ACL_FILE = "mosquitto.acl"
_SEARCH_ALSO = "/usr/sbin:/usr/local/sbin"
"""Debian keeps daemons where an ordinary user's PATH does not look."""

PACKET_BYTES_MAX = 131_072
"""Eight times the largest chunk; as `max_packet_size`, never `message_size_limit`, which throws an MQTT 3.1.1
client's message away and says Success."""

_LIMITS = f"""\
max_packet_size {PACKET_BYTES_MAX}
max_inflight_messages 32
max_queued_messages 2000
max_queued_bytes 50000000
max_connections 10000
max_keepalive 1200
persistent_client_expiration 14d
set_tcp_nodelay true
persistence false
"""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """PEM files of a server that asks every client for a certificate whose common name is its node id."""

    ca_file: Path
    cert_file: Path
    """The server's certificate, then its authority's: devices that know only a fingerprint need both."""
    key_file: Path


def config_text(
    address: ServerAddress, acl_file: Path, tls: ServerTls | None = None, user: str | None = None
) -> str:
    """The text of mosquitto.conf; `user` is who a server that root starts becomes, `mosquitto` if None.

    Without TLS a client is who it says it is: enough on one machine, because all that matters is signed, but
    the access list then only stops mistakes.
    """
    lines = ["per_listener_settings false", f"listener {address.port} {address.host}"]
    if tls is None:
        lines += ["allow_anonymous true"]
    else:
        lines += [f"cafile {tls.ca_file}", f"certfile {tls.cert_file}", f"keyfile {tls.key_file}"]
        lines += ["require_certificate true", "use_identity_as_username true", "allow_anonymous false"]
    lines += [f"user {user}"] if user else []
    # Otherwise any client could take over another's session by its client id.
    lines += ["use_username_as_clientid true", f"acl_file {acl_file}"]
    return "\n".join(lines) + "\n" + _LIMITS + "log_dest stderr\nlog_type error\nlog_type warning\n"


def acl_text(access: AccessList) -> str:
    """The text of the ACL file: patterns for every node, then one section for each validator."""
    base = Topics(access.chain).base
    lines = [f"pattern write {base}/{name.format(id='%u')}" for name in ANY_PUBLISH]
    lines += [f"pattern read {base}/{name.format(id='%u')}" for name in ANY_HEAR]
    for node in sorted(access.validators):
        lines.append(f"user {node}")
        lines += [f"topic write {base}/{name.format(id=node)}" for name in VALIDATOR_PUBLISH]
        lines += [f"topic read {base}/{name.format(id=node)}" for name in VALIDATOR_HEAR]
    return "\n".join(lines) + "\n"


def find_binary() -> str | None:
    """Where Mosquitto is, if it is installed."""
    return shutil.which(BINARY) or shutil.which(BINARY, path=_SEARCH_ALSO)


def local_server(folder: Path, access: AccessList, binary: str, port: int | None = None) -> MqttServerProcess:
    """A server for this machine only, on a free port, without TLS; writes its two files to `folder`."""
    address = ServerAddress(LOOPBACK, port or free_port())
    config_file, acl_file = folder / "mosquitto.conf", folder / ACL_FILE
    acl_file.write_text(acl_text(access))
    # Started by root it would become a user who cannot read a private folder.
    config_file.write_text(config_text(address, acl_file, user="root" if os.geteuid() == 0 else None))
    command = [binary, "-c", str(config_file)]
    return MqttServerProcess("mosquitto", address, command, folder / "mosquitto.log")
