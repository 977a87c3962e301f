"""Wishes and evidence for tests: opt-ins, opt-outs, and what a cheat signs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge_client.protocol.evidence import ProposalPair, VotePair
from edge_client.protocol.header import HEADER_VERSION, Header
from edge_client.protocol.keys import Signer
from edge_client.protocol.records import OptIn, OptOut, consent_bytes
from edge_client.protocol.votes import Proposal, Subject, Vote, VoteKind, nullify, vote
from tests.builders import ChainMaker, chain_of, make_signers

ELECTIONS = {"epoch_blocks": 1000, "churn_max": 1, "bond": 100, "unbonding_blocks": 128}
"""Round params with elections that no short test comes to; override `epoch_blocks` for one that does."""


def voting_chain(devices: int = 4, rounds: int = 1, **params: Any) -> ChainMaker:
    """A chain with elections, whose devices all earned something in each of `rounds` rounds."""
    made = chain_of(devices, **{**ELECTIONS, "k": devices, "k_max": 64, **params})
    for _ in range(rounds):
        made.close_round()
    return made


def seat_key(number: int) -> Signer:
    """The validator key that account `number` would use."""
    return make_signers(number + 1, "elected")[number]


def opt_in(chain: ChainMaker, account: int, holder: Signer | None = None, **changes: Any) -> OptIn:
    """A signed opt-in of the least bond, made now; `changes` are made before the account signs."""
    holder = holder or seat_key(account)
    bond, consent = chain.state.params.in_force.bond, holder.sign(consent_bytes(chain.chain_id, account))
    record = OptIn(account, holder.public_key, bond, chain.height, consent)
    return replace(record, **changes).sign(chain.signer_of(account), chain.chain_id)


def opt_out(chain: ChainMaker, account: int, **changes: Any) -> OptOut:
    """A signed opt-out, made now."""
    record = replace(OptOut(account, chain.height), **changes)
    return record.sign(chain.signer_of(account), chain.chain_id)


def signed_vote(chain: ChainMaker, signer: Signer, subject: Subject) -> Vote:
    """A vote of this key."""
    return vote(subject, 0, signer.sign(subject.signing_bytes(chain.chain_id)))


def block_vote(chain: ChainMaker, signer: Signer, kind: VoteKind, mark: int = 1, slot: int = 9) -> Vote:
    """N or F of a made-up block `mark`."""
    return signed_vote(chain, signer, Subject(kind, 0, slot, 3, bytes([mark]) * 32))


def vote_pair(chain: ChainMaker, signer: Signer, slot: int = 9) -> VotePair:
    """Evidence that this key notarised two blocks of one slot."""
    votes = (block_vote(chain, signer, VoteKind.NOTARIZE, mark, slot) for mark in (1, 2))
    return VotePair.of(signer.public_key, *votes)


def nullify_vote(chain: ChainMaker, signer: Signer, slot: int = 9) -> Vote:
    """Z of a slot."""
    return signed_vote(chain, signer, nullify(0, slot))


def proposal(chain: ChainMaker, signer: Signer, slot: int = 9, **changes: Any) -> Proposal:
    """A signed proposal of a made-up header; `changes` are made to the header."""
    header = Header(HEADER_VERSION, 0, 0, 4, 3, slot, 30, 0, bytes(32), bytes(32), bytes(32))
    unsigned = Proposal(slot, replace(header, **changes), b"")
    return replace(unsigned, signature=signer.sign(unsigned.signing_bytes(chain.chain_id)))


def proposal_pair(chain: ChainMaker, signer: Signer, slot: int = 9) -> ProposalPair:
    """Evidence that this key proposed two blocks in one slot."""
    made = (proposal(chain, signer, slot, body_root=bytes([mark]) * 32) for mark in (1, 2))
    return ProposalPair.of(signer.public_key, *made)
