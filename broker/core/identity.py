"""Who this validator is, on which chain, and how it finds accounts by device id."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.topics import Topics

EPOCH = 0
"""The only epoch: the validator set stays that of genesis until there are elections."""


class StrangerError(Exception):
    """This key is not one of the validators of the chain."""


class AccountNames:
    """Device id -> account index. Accounts are append-only, so the table only ever grows by new entries."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def find(self, device: str, accounts: Accounts) -> int | None:
        """The account's index as of this (finalised) table."""
        for index in range(len(self._names), len(accounts)):
            self._names[node_id(accounts[index].public_key)] = index
        return self._names.get(device)


@dataclass(frozen=True, slots=True)
class Identity:
    """Key, place in the validator set, names and rules of one validator."""

    rules: Rules
    signer: Signer
    index: int
    name: str
    topics: Topics
    validator_names: tuple[str, ...]
    accounts: AccountNames = field(default_factory=AccountNames)

    @classmethod
    def of(cls, rules: Rules, signer: Signer) -> Identity:
        """Raises `StrangerError` when the key is not in the validator set of genesis."""
        index = rules.genesis.validators.index_of(signer.public_key)
        if index is None:
            raise StrangerError(f"the key {node_id(signer.public_key)} is not one of the chain's validators")
        names = tuple(node_id(key) for key in rules.genesis.validators.keys)
        return cls(rules, signer, index, names[index], Topics.of(rules.chain_id), names)
