"""Who this node is, on which chain, and how it finds accounts by device id. Its seat: `seating.py`."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.execution.checks import Rules
from edge_client.protocol.keys import Signer, node_id
from edge_client.protocol.topics import Topics


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
    """Key, name and rules of one validator or candidate."""

    rules: Rules
    signer: Signer
    name: str
    topics: Topics
    accounts: AccountNames = field(default_factory=AccountNames)

    @classmethod
    def of(cls, rules: Rules, signer: Signer) -> Identity:
        """Any key will do; what it may sign follows from the chain."""
        return cls(rules, signer, node_id(signer.public_key), Topics.of(rules.chain_id))
