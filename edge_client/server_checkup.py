"""What `edge-client doctor` finds out about the MQTT servers: name, TCP, TLS, login, rights, answers."""

from __future__ import annotations

import socket
from pathlib import Path

from edge_client.adapters.login_probe import Seen, log_in
from edge_client.adapters.status_file import read_status_file
from edge_client.config import DeviceConfig
from edge_client.machine_checkup import Finding
from edge_client.runtime.link_fault import LinkFault, Step, link_fault
from edge_client.runtime.lock import is_running
from edge_client.runtime.mqtt_options import MqttOptions, ServerAddress
from edge_client.runtime.settings import SettingsError
from edge_client.runtime.tls import TlsError, client_context
from edge_client.runtime.transport import Will

SERVERS, LOGIN, ACCESS = "servers", "login", "access"
UNREACHABLE = (Step.NAME, Step.TCP)


def check_servers(folder: Path, config: DeviceConfig, device: str) -> list[Finding]:
    """All servers of the join string; with an id (`device`), and while no agent runs, also with a login."""
    try:
        options = config.mqtt_options(device, Will("", b""))
    except SettingsError as error:
        return [Finding(LOGIN, False, str(error), "write the password into that file, chmod 600")]
    running = is_running(folder)
    chain_id = config.chain.parsed().chain_id
    seen = {
        address: _reach(options, address) if running or not device else log_in(options, address, chain_id)
        for address in options.servers
    }
    findings = _connections({address: one.fault for address, one in seen.items()})
    if running:
        return [*findings, _told_by_agent(folder)]
    let_in = [one for one in seen.values() if one.fault is None]
    return [*findings, *([_access(let_in, device)] if let_in and device else [])]


def _reach(options: MqttOptions, address: ServerAddress) -> Seen:
    """As far as one gets without an id: a second login with the same one would throw the agent out."""
    timeout_s = options.limits.connect_timeout_ms / 1000
    try:
        with socket.create_connection((address.host, address.port), timeout_s) as link:
            if address.tls:
                context = client_context(options.tls, address.host, address.port, timeout_s)
                context.wrap_socket(link, server_hostname=address.host).close()
    except (OSError, TlsError) as error:
        return Seen(link_fault(error))
    return Seen()


def _connections(faults: dict[ServerAddress, LinkFault | None]) -> list[Finding]:
    """One server that works is enough; the others are said all the same."""
    told = [f"{address}: {fault.why}" for address, fault in faults.items() if fault is not None]
    bad = [fault for fault in faults.values() if fault is not None]
    works = len(faults) - len(bad)
    mend = bad[0].mend if bad else ""
    if works:
        return [Finding(SERVERS, True, "; ".join([f"{works} of {len(faults)} reachable", *told]), mend)]
    check = SERVERS if all(fault.step in UNREACHABLE for fault in bad) else LOGIN
    return [Finding(check, False, "; ".join(told), mend)]


def _access(let_in: list[Seen], device: str) -> Finding:
    """What those servers that let us in let us do."""
    if any(one.answered for one in let_in):
        return Finding(ACCESS, True, "a validator answered a question of this device")
    denied = next((one.denied for one in let_in if one.denied), "")
    if denied:
        mend = f"the server's operator gives {device} the rights of every device: mqtt/ of `edge-broker init`"
        return Finding(ACCESS, False, f"the server does not allow this device {denied}", mend)
    found = "no validator answered: none runs, or the server drops what this device publishes without a word"
    return Finding(
        ACCESS, True, found, "ask the chain's operator for `edge-broker status` and the server's log"
    )


def _told_by_agent(folder: Path) -> Finding:
    """The running agent is logged in with this id, and knows whether it is answered."""
    unanswered = str(read_status_file(folder).get("unanswered") or "")
    if unanswered:
        return Finding(ACCESS, True, f"the running agent: {unanswered}", "edge-client status")
    return Finding(ACCESS, True, "the agent runs, and no question of its own is overdue")
