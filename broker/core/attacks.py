"""Reports of devices that saw two final histories: verified, kept, and said once [ATK-2]."""

from __future__ import annotations

from broker.core.archive import Archive
from broker.core.consensus import events as on
from broker.core.effects import StoreAttack
from broker.core.identity import Identity
from broker.core.ledger import Ledger
from edge_client.protocol.attack import FinalHeader, LightAttack
from edge_client.protocol.errors import ProtocolError, Reason
from edge_client.protocol.header import Header
from edge_client.protocol.machine import Note
from edge_client.protocol.validators import ValidatorSet

ATTACKS_MAX = 8
"""One is a catastrophe; the rest would only fill the disk."""


class Attacks:
    """Judges reports by the validator's own final chain: a final header that is not on it is the proof."""

    def __init__(self, identity: Identity, archive: Archive, ledger: Ledger) -> None:
        self._rules = identity.rules
        self._archive = archive
        self._ledger = ledger

    def report(self, device: str, attack: LightAttack) -> list[StoreAttack | Note | on.Evidence]:
        """Cheap checks first, then the signatures of what is not ours; raises `ProtocolError`. Whoever
        voted to finalise both in one slot is an offender [ATK-3]."""
        strangers = [one for one in (attack.first, attack.second) if not self._is_ours(one.header)]
        self._check_heights(attack, strangers)
        known = [LightAttack.decode(data) for data in self._archive.attacks()]
        if len(known) >= ATTACKS_MAX or any(_same(attack, one) for one in known):
            return []
        for one in strangers:
            validators = self._validators(one.header.epoch)
            one.finality.verify(one.header, self._rules.chain_id, validators, self._rules.verify)
        heights = {"height": attack.first.header.height, "other_height": attack.second.header.height}
        note = Note("light_attack", {"device": device, **heights})
        return [StoreAttack(attack.encode()), note, *self._offenders(attack)]

    def _offenders(self, attack: LightAttack) -> list[on.Evidence]:
        """Two F of one key in one slot; nobody when the two were finalised in different slots."""
        first, second = attack.first, attack.second
        places = {(one.header.epoch, one.finality.slot) for one in (first, second)}
        if len(places) > 1:
            return []
        validators = self._validators(first.header.epoch)
        try:
            for one in (first, second):  # what is ours was not verified yet: its signatures may be made up
                one.finality.verify(one.header, self._rules.chain_id, validators, self._rules.verify)
        except ProtocolError:
            return []
        votes = [
            one.finality.certificate(one.header, self._rules.chain_id).votes() for one in (first, second)
        ]
        later = {vote.signer: vote for vote in votes[1]}
        both = [(vote, later[vote.signer]) for vote in votes[0] if vote.signer in later]
        return [on.Evidence(one.signer, validators.keys[one.signer], one, other) for one, other in both]

    def _is_ours(self, header: Header) -> bool:
        return self._archive.header(header.height) == header

    def _check_heights(self, attack: LightAttack, strangers: list[FinalHeader]) -> None:
        """Two headers of one height contradict each other; of two heights, one must contradict our chain."""
        if not strangers:
            raise ProtocolError(Reason.WRONG_HASH, "both headers of the attack are on the chain")
        if attack.first.header.height == attack.second.header.height:
            return
        if all(one.header.height > self._ledger.head.height for one in strangers):
            raise ProtocolError(Reason.UNKNOWN_BASE, "the attack is above our chain")

    def _validators(self, epoch: int) -> ValidatorSet:
        """The set of an epoch that our chain has seen; raises `ProtocolError` for another."""
        seats = self._ledger.head.state.seats
        if epoch == seats.epoch:
            return seats.validators
        handoff = self._archive.handoff(epoch)
        if handoff is None:
            raise ProtocolError(Reason.UNKNOWN_BASE, f"validators of epoch {epoch}")
        return handoff.sets.signing


def _same(one: LightAttack, other: LightAttack) -> bool:
    return (one.first.header, one.second.header) == (other.first.header, other.second.header)
