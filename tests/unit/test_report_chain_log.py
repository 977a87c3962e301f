"""How long a round took to become final, in whatever order validators are heard."""

from __future__ import annotations

from functools import cache

from edge_client.protocol.machine import Note
from firmware_profiles.report.chain_log import ChainLog
from tests.builders import ChainMaker, chain_of
from tests.unit.test_broker_block_store import final

BEGAN_MS = 1_000_000
FIRST = 2
"""Height of the first block that closes a round."""


@cache
def chain() -> ChainMaker:
    made = chain_of()
    for _ in range(2):
        made.close_round([0, 1])
    return made


def heard(*words: tuple[int, int | None]) -> list[int | None]:
    """Finality of each round, after (ms, round whose block is proposed; None: the next one is final)."""
    log, height = ChainLog(BEGAN_MS, None, lambda: 0.0), FIRST - 1
    for at_ms, proposed in words:
        if proposed is None:
            height += 1
            log.final(final(chain(), height), BEGAN_MS + at_ms)
        else:
            log.note(Note("proposed", {"height": FIRST - 1 + proposed}), BEGAN_MS + at_ms)
    return [one.finality_ms for one in log.rounds]


def test_it_counts_from_the_first_proposal_to_the_first_who_knows_the_block_final() -> None:
    assert heard((10, 1), (40, 1), (70, None), (80, 2), (95, None)) == [60, 15]


def test_a_proposal_that_is_heard_too_late_counts_as_well() -> None:
    assert heard((10, 1), (50, None), (95, None), (80, 2)) == [40, 15]


def test_a_validator_that_proposes_what_is_final_long_ago_changes_nothing() -> None:
    assert heard((10, 1), (50, None), (30, 1), (90, 1)) == [40]
    assert heard((50, None), (90, 1)) == [None]
