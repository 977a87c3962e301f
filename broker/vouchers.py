"""Vouchers: an owner's signature on a key that admits one device (PROTOCOL: REGISTER, admission by token)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from broker.founding import ChainFiles, ChainFilesError
from edge_client.protocol.execution.checks import voucher_grant
from edge_client.protocol.genesis import Admission
from edge_client.protocol.join import Join, Voucher, parse_join
from edge_client.protocol.keys import SEED_BYTES, Signer
from edge_client.runtime.keystore import load_seed


def make_voucher(owner: Signer, owner_index: int, chain_id: bytes, number: int) -> Voucher:
    """A voucher with a fresh secret; two of one number are both valid, and the first one used wins."""
    seed = os.urandom(SEED_BYTES)
    granted = voucher_grant(chain_id, number, Signer(seed).public_key)
    return Voucher(number, owner_index, seed, owner.sign(granted))


def join_with_voucher(folder: Path, number: int) -> Join:
    """The chain's join string with a voucher of the owner whose key is in the founding folder.

    Raises `ChainFilesError` when the chain does not admit by token, `KeyFileError`, `JoinError`, `OSError`.
    """
    genesis = ChainFiles.read(folder / "chain").genesis
    if genesis.admission != Admission.TOKEN:
        name = genesis.admission.name.lower()
        raise ChainFilesError(f"the chain in {folder} needs no vouchers: its admission is {name}")
    owner = Signer(load_seed(folder / "owner.key"))
    join = parse_join((folder / "join.txt").read_text(encoding="utf-8"))
    index = genesis.owners.index(owner.public_key)
    return replace(join, voucher=make_voucher(owner, index, join.chain_id, number))
