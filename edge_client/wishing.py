"""Taking an owner's wish about a seat: what can be known to be wrong is said at once, not by the chain."""

from __future__ import annotations

from pathlib import Path

from edge_client.adapters.device_disk import DeviceDisk
from edge_client.adapters.wish_file import WishFile
from edge_client.config import DeviceConfig
from edge_client.protocol import keys
from edge_client.protocol.accounts import AccountProof
from edge_client.protocol.consent import Consent, Wish
from edge_client.protocol.params import RoundParams


class WishError(Exception):
    """The wish cannot come true; the text is one sentence for the user."""


def wish_in(folder: Path, config: DeviceConfig, line: str, bond: int | None) -> tuple[int, int]:
    """Leave the wish to be a candidate for the running agent; the account's number and the bond. Raises
    `WishError`, `DatabaseError`, and `DecodeError` for a line that is no consent."""
    consent, chain_id = Consent.parse(line), config.chain.parsed().chain_id
    disk = DeviceDisk(folder, chain_id)
    try:
        proof, params = _account(disk), _params(disk)
    finally:
        disk.close()
    if not consent.is_genuine(chain_id, keys.verify):
        raise WishError("this consent was not signed for this chain; was it copied whole?")
    if consent.account != proof.index:
        raise WishError(f"this consent is for account {consent.account}, this device has {proof.index}")
    if not params.epoch_blocks:
        raise WishError("there are no elections on this chain")
    amount = params.bond if bond is None else bond
    if not params.bond <= amount <= proof.account.balance:
        least, most = params.bond, proof.account.balance
        raise WishError(f"a bond of {amount}: the chain asks for {least} at least, the balance is {most}")
    WishFile(folder).write(Wish(consent, bond or 0))
    return proof.index, amount


def wish_out(folder: Path, config: DeviceConfig) -> int:
    """Leave the wish to leave for the running agent; the account's number. Raises `WishError`,
    `DatabaseError`."""
    disk = DeviceDisk(folder, config.chain.parsed().chain_id)
    try:
        proof = _account(disk)
    finally:
        disk.close()
    WishFile(folder).write(Wish(None))
    return proof.index


def _params(disk: DeviceDisk) -> RoundParams:
    """The rules in force; those of genesis are not stored a second time."""
    pair, genesis = disk.chain.params(), disk.genesis()
    if pair is not None:
        return pair.in_force
    if genesis is None:
        raise WishError("this device does not know its chain yet; let it run first")
    return genesis.params


def _account(disk: DeviceDisk) -> AccountProof:
    found = disk.chain.account()
    if found is None:
        raise WishError("this device has no account yet; let it run until `edge-client status` shows one")
    return found[1]
