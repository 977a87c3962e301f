"""Giving a validator that came later its rights on a running MQTT server.

The access list names validators one by one, and who is elected was not known when it was written. It rests on
no signature: the operator of the server adds whom he welcomes, before that node starts to follow the chain.
The server takes the new list when it is told to reload (SIGHUP).
"""

from __future__ import annotations

import json
from dataclasses import replace as changed
from pathlib import Path

from broker.mqtt_server.acl import AccessList, is_node_id
from broker.mqtt_server.embedded import SETTINGS_FILE
from broker.mqtt_server.mosquitto import ACL_FILE, acl_text
from edge_client.protocol.topics import ROOT
from edge_client.runtime.files import replace


class AdmissionError(Exception):
    """The access list cannot be changed; the text is one sentence for the user."""


def admit(folder: Path, node: str) -> bool:
    """Add a node id to the access list in `folder`; False when it stands there already."""
    if not is_node_id(node):
        raise AdmissionError(
            f"'{node}' is not a node id: 32 lower-case hex digits, as `edge-broker key` prints"
        )
    listed, settings = folder / ACL_FILE, folder / SETTINGS_FILE
    try:
        if listed.exists():
            return _admit_mosquitto(listed, node)
        return _admit_embedded(settings, node)
    except OSError as error:
        raise AdmissionError(
            f"cannot read or write the access list in {folder} ({error.strerror}); give the mqtt/ folder "
            "that `edge-broker init` made"
        ) from error


def _admit_mosquitto(file: Path, node: str) -> bool:
    text = file.read_text()
    access = read_acl(text)
    if access is None:
        lines = acl_text(AccessList("CHAIN", frozenset({node})))
        own = lines[lines.index("user ") :]
        raise AdmissionError(
            f"{file} was changed by hand; add this to it, with the CHAIN that it names:\n{own}"
        )
    if node in access.validators:
        return False
    replace(file, acl_text(changed(access, validators=access.validators | {node})).encode())
    return True


def _admit_embedded(file: Path, node: str) -> bool:
    settings = json.loads(file.read_text())
    if node in settings["validators"]:
        return False
    settings["validators"] = sorted({*settings["validators"], node})
    replace(file, json.dumps(settings).encode())
    return True


def read_acl(text: str) -> AccessList | None:
    """Inverse of `acl_text`; None for a text that it did not write."""
    prefix = f"pattern write {ROOT}/"
    chain = text[len(prefix) :].partition("/")[0] if text.startswith(prefix) else ""
    nodes = frozenset(line[len("user ") :] for line in text.splitlines() if line.startswith("user "))
    access = AccessList(chain, nodes)
    return access if acl_text(access) == text else None
