"""Who is seated next: integers only, from the state after a block, the same for everybody [ELE-3]."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge_client.protocol.genesis import Genesis
from edge_client.protocol.hashing import Tag, digest
from edge_client.protocol.params import RoundParams
from edge_client.protocol.seats import Candidate, Seat
from edge_client.protocol.state import ChainState


def holds_election(state: ChainState, params: RoundParams, height: int) -> bool:
    """Whether the block of `height` on this (rolled) state holds one. Not only at the exact height: a change
    of params may have made epochs shorter than this one is already."""
    return bool(params.epoch_blocks) and height >= state.seats.first_height + params.epoch_blocks - 1


def with_seats(state: ChainState, elected: tuple[Seat, ...], height: int) -> ChainState:
    """The state after the election of the block of `height`: sealed when the set becomes another, else the
    epoch goes on, and the next election is `epoch_blocks` further on [ELE-5]."""
    seats = state.seats
    if elected == seats.seated:
        return replace(state, seats=replace(seats, first_height=height + 1))
    return replace(state, seats=replace(seats, next=elected, is_sealed=True))


def elect(genesis: Genesis, state: ChainState, params: RoundParams, lot: bytes) -> tuple[Seat, ...]:
    """The set that follows the seated one, at most `churn_max` places away from it. `params` are those in
    force at the block; `lot`, its history root, decides between equal contributions."""
    ballot = _Ballot(genesis, state, ranked(state, params, lot))
    seated = state.seats.seated
    for _ in range(params.churn_max):
        seated = ballot.changed(seated)
    return seated


def ranked(state: ChainState, params: RoundParams, lot: bytes) -> list[Candidate]:
    """The candidates that qualify for a seat, best first [ELE-3]."""
    now = state.learning.round
    standings = []
    for row in state.seats.candidates:
        account = state.accounts[row.account]
        contribution = account.contribution_at(now)
        if contribution and row.bond >= params.bond and not row.is_leaving and not account.is_jailed(now):
            standings.append((-contribution, digest(Tag.ELECTION, lot, row.key), row))
    return [row for *_, row in sorted(standings, key=lambda one: one[:2])]


@dataclass(frozen=True, slots=True)
class _Ballot:
    """One election: who may replace whom."""

    genesis: Genesis
    state: ChainState
    ranked: list[Candidate]

    def changed(self, seated: tuple[Seat, ...]) -> tuple[Seat, ...]:
        """The set after the most urgent change; the same set when there is none."""
        places = {row.account: place for place, row in enumerate(self.ranked)}
        accounts = {seat.account for seat in seated}
        outsider = next((row for row in self.ranked if row.account not in accounts), None)
        lost = self._lost(seated, places)
        if lost is not None:
            seat = Seat(outsider.key, outsider.account) if outsider else self._substitute(seated, lost)
            return (*seated[:lost], seat, *seated[lost + 1 :])
        weakest = self._weakest(seated, places)
        if outsider is None or places.get(seated[weakest].account, len(places)) < places[outsider.account]:
            return seated
        return (*seated[:weakest], Seat(outsider.key, outsider.account), *seated[weakest + 1 :])

    def _lost(self, seated: tuple[Seat, ...], places: dict[int, int]) -> int | None:
        """The seat of an account that no longer qualifies, of a convicted one before others."""
        now = self.state.learning.round
        lost = [
            (not self.state.accounts[seat.account].is_jailed(now), index)
            for index, seat in enumerate(seated)
            if not seat.is_of_genesis and seat.account not in places
        ]
        return min(lost)[1] if lost else None

    def _weakest(self, seated: tuple[Seat, ...], places: dict[int, int]) -> int:
        """The seat an outsider takes: that of a genesis validator, a convicted one first, else that of the
        account ranked last."""
        of_genesis = [
            (not self._is_convicted(self._index_in_genesis(seat.key)), index)
            for index, seat in enumerate(seated)
            if seat.is_of_genesis
        ]
        if of_genesis:
            return min(of_genesis)[1]
        return max(range(len(seated)), key=lambda index: places[seated[index].account])

    def _substitute(self, seated: tuple[Seat, ...], index: int) -> Seat:
        """Who takes a seat that nobody qualifies for: a genesis validator without one, not a convicted one if
        there is a choice, and best that of the same index."""
        keys = {seat.key for seat in seated}
        free = [i for i, key in enumerate(self.genesis.validators.keys) if key not in keys]
        chosen = min(free, key=lambda i: (self._is_convicted(i), i != index, i))
        return Seat(self.genesis.validators.keys[chosen])

    def _index_in_genesis(self, key: bytes) -> int:
        return self.genesis.validators.keys.index(key)

    def _is_convicted(self, index: int) -> bool:
        return bool(self.state.seats.convicted >> index & 1)
