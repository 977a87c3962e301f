"""Reading a device's folder from outside: for `status`, `verify`, `doctor` and tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.model_files import ModelFiles
from edge_client.adapters.outbox_store import HISTORY_MAX
from edge_client.adapters.status_file import read_status_file
from edge_client.adapters.wish_file import WishFile
from edge_client.config import DeviceConfig
from edge_client.core.ancestry import NotHeldError, trace
from edge_client.core.audit import Held, Proven, audit
from edge_client.core.freshness import Standing
from edge_client.core.verify import Invalid, LightRules
from edge_client.protocol import keys
from edge_client.protocol.errors import ProtocolError
from edge_client.protocol.keys import Signer, node_id
from edge_client.runtime.clock import SystemClock
from edge_client.runtime.keystore import load_seed
from edge_client.runtime.lock import is_running

NOT_RUNNING = "stopped"


def read_status(folder: Path, config: DeviceConfig) -> dict[str, Any]:
    """Facts from the disk, and counters of the running (or last) process."""
    chain_id = config.chain.parsed().chain_id
    disk = DeviceDisk(folder, chain_id)
    try:
        words = read_status_file(folder)
        running = is_running(folder)
        return {
            "device": node_id(Signer(load_seed(config.identity.key_file)).public_key),
            "chain": chain_id.hex(),
            "running": running,
            "phase": words.get("phase", NOT_RUNNING) if running else NOT_RUNNING,
            "waiting_because": words.get("why") if running else None,
            "unanswered": words.get("unanswered") or None if running else None,
            "asleep": words.get("asleep") if running else None,
            "clock_behind_the_chain": words.get("clock_behind_the_chain", False) if running else None,
            **_chain_facts(disk, chain_id),
            **_seat_facts(folder, disk),
            "freshness": words.get("freshness", Standing.UNKNOWN.value),
            "fresh_ms": words.get("fresh_ms"),
            "hold_out": _hold_out(disk),
            "current_model": _current_model(folder),
            "updates": _updates(disk),
            "refused": words.get("refused", {}),
            "up_bytes": words.get("up_bytes", 0),
            "down_bytes": words.get("down_bytes", 0),
            "up_wire_bytes": words.get("up_wire_bytes", 0),
            "down_wire_bytes": words.get("down_wire_bytes", 0),
            "bursts": words.get("bursts", 0),
            "messages_dropped": words.get("messages_dropped", 0),
            "peak_rss_kib": words.get("peak_rss_kib"),
            "samples_max": words.get("samples_max"),
            "last_end": words.get("last_end"),
        }
    finally:
        disk.close()


def _chain_facts(disk: DeviceDisk, chain_id: bytes) -> dict[str, Any]:
    head, account = disk.chain.head(), disk.chain.account()
    facts: dict[str, Any] = {
        "height": head.height if head else 0,
        "head": (head.hash if head else chain_id).hex(),
        "model": head.app.model_root.hex() if head else None,
        "round": head.learning.round if head else 1,
        "halted": disk.chain.conflict(),
        "account": None,
    }
    if account is not None:
        height, proof = account
        facts["account"] = {
            "number": proof.index,
            "balance": proof.account.balance,
            "contribution": proof.account.contribution,
            "last_round": proof.account.last_round,
            "stake": proof.account.stake,
            "as_of_height": height,
        }
    return facts


def _seat_facts(folder: Path, disk: DeviceDisk) -> dict[str, Any]:
    """The epoch whose validators are trusted, whether the key that was consented to is one of them, and what
    the owner asked for: `open` as long as the device is at it."""
    file, signing = WishFile(folder), disk.chain.signing()
    wish = file.settled()
    key = wish.consent.key if wish is not None and wish.consent is not None else b""
    return {
        "epoch": signing.epoch if signing else 0,
        "seat": signing.validators.index_of(key) if signing else None,
        "wish": file.outcome() if file.read() is None else "open",
    }


def _current_model(folder: Path) -> str | None:
    """The file for the owner's own programs, once there is one."""
    files = ModelFiles(folder)
    return str(files.current) if files.root() is not None else None


def _hold_out(disk: DeviceDisk) -> dict[str, Any] | None:
    """What joining is worth on the device's own hold-out, as of the latest round it trained in."""
    latest = next(iter(disk.models.all()), None)
    if latest is None:
        return None
    scores = {"before_joining": latest.initial, "joined": latest.model, "own": latest.own}
    return {
        "round": latest.round,
        "samples": latest.samples,
        **{f"accuracy_{name}": round(score.accuracy, 4) for name, score in scores.items()},
        **{f"loss_{name}": round(score.loss, 4) for name, score in scores.items()},
    }


def _updates(disk: DeviceDisk) -> list[dict[str, Any]]:
    return [
        {
            "round": row.head.round,
            "root": row.head.update_root.hex(),
            "fate": row.fate.value,
            "reason": row.reason,
            "height": row.settled_height,
            "samples": row.head.samples,
            "steps": row.head.steps,
        }
        for row in disk.outbox.history(HISTORY_MAX)
    ]


def header_hash_at(disk: DeviceDisk, height: int) -> bytes | None:
    """Hash of the stored header of this height; None when it is not stored."""
    genesis, tip = disk.genesis(), disk.chain.tip()
    if genesis is None or tip is None or not 1 <= height <= tip.height:
        return None
    if height == tip.height:
        return tip.hash
    head = disk.chain.head_block()
    if head is None:
        return None
    try:
        found = trace(genesis.chain_id(), disk.chain.history(head.header.height - 1), head.header, {height})
    except (ProtocolError, NotHeldError):
        return None
    return found.ancestors[height].header.hash(genesis.chain_id())


def verify_disk(disk: DeviceDisk) -> Proven | Invalid | None:
    """Prove the stored chain again; None when there is none yet."""
    genesis, tip, head = disk.genesis(), disk.chain.tip(), disk.chain.head_block()
    if genesis is None or tip is None or head is None:
        return None
    rules = LightRules(genesis.chain_id(), genesis.t0_s, keys.verify)
    held = Held(disk.chain.history(tip.height), tip, head, disk.chain.handoffs(0), disk.chain.vouched())
    return audit(rules, genesis.validators, held, SystemClock().now_ms())
