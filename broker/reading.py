"""Reading a validator's folder from outside, for `edge-broker status` and tools."""

from __future__ import annotations

import os
from typing import Any

from broker.adapters.block_store import DATABASE_FILE
from broker.adapters.status_file import read_status_file
from broker.config import ValidatorConfig
from broker.core.effects import StoredFinal
from broker.founding import ChainFiles
from broker.service import open_store
from edge_client.protocol.keys import Signer, node_id
from edge_client.runtime.keystore import KeyFileError, load_seed


def read_status(config: ValidatorConfig) -> dict[str, Any]:
    """Facts from the disk, and counters of the running (or last) process."""
    files = ChainFiles.read(config.validator.chain_dir)
    final, attacks = _stored(config, files)
    running = read_status_file(config.validator.state_dir)
    pid = running.get("pid")
    facts: dict[str, Any] = {
        "chain": files.chain_id.hex(),
        "validator": _name(config),
        "running": isinstance(pid, int) and _is_alive(pid),
        "height": final.header.height if final else 0,
        "head": final.header.hash(files.chain_id).hex() if final else files.chain_id.hex(),
        "round": final.state.learning.round if final else 1,
        "accounts": len(final.state.accounts) if final else 0,
        "light_attacks": attacks,
        "refused": running.get("refused", {}),
    }
    return facts


def _stored(config: ValidatorConfig, files: ChainFiles) -> tuple[StoredFinal | None, int]:
    """The finalised head on disk, and how many attacks on devices were proven. Who only looks makes no files:
    they might not belong to the validator's user."""
    if not (config.validator.state_dir / DATABASE_FILE).exists():
        return None, 0
    store = open_store(config.validator.state_dir, files)
    try:
        return store.load().head, len(store.attacks())
    finally:
        store.close()


def _name(config: ValidatorConfig) -> str:
    """The node id, which is also the common name of its certificate; the reason when there is no key."""
    try:
        return node_id(Signer(load_seed(config.validator.key_file)).public_key)
    except KeyFileError as error:
        return str(error)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
