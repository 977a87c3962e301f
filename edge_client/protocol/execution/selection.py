"""Who takes part in a round: a threshold that everybody can compute and every device can check for itself."""

from __future__ import annotations

from edge_client.protocol.accounts import Accounts
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.params import RoundParams, Selection

THETA_ALL = 2**64 - 1
OVERSELECTION_NUM, OVERSELECTION_DEN = 13, 10


def selection_value(seed: bytes, public_key: bytes) -> int:
    """A device's lot in the round opened with `seed`: the first 8 bytes of a hash [SEL-1]."""
    return int.from_bytes(digest(Tag.SELECT, seed, public_key)[:8], "big")


def is_selected(seed: bytes, public_key: bytes, theta: int) -> bool:
    """Whether the device is asked to train in the round."""
    return selection_value(seed, public_key) <= theta


def threshold(params: RoundParams, accounts: Accounts, round_number: int, seed: bytes) -> int:
    """θ of the round: everybody, the `selected` lowest lots, or 1.3 k expected winners [SEL-2] to [SEL-4].

    Asking 1.3 times as many as are needed is the practice of Bonawitz et al. (2019).
    """
    if params.selection == Selection.ALL:
        return THETA_ALL
    active = [account for account in accounts if account.is_active(round_number)]
    if params.selection == Selection.EXACT:
        lots = sorted(selection_value(seed, account.public_key) for account in active)
        return lots[params.selected - 1] if len(lots) > params.selected else THETA_ALL
    if not active:
        return THETA_ALL
    wanted = OVERSELECTION_NUM * params.k
    return min(THETA_ALL, (THETA_ALL + 1) * wanted // (OVERSELECTION_DEN * len(active)))
