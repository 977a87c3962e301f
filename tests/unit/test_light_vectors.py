"""The vectors of the light client: every file passes, and every file is what the code makes today."""

from __future__ import annotations

import pytest

from tests.light_cases import current
from tests.light_vectors import mismatches, stored

VECTORS = stored()


@pytest.mark.parametrize("name", VECTORS)
def test_a_device_says_what_the_vector_says(name: str) -> None:
    assert list(mismatches(VECTORS[name])) == []


def test_the_files_are_what_the_code_makes() -> None:
    assert current() == VECTORS


def test_every_verdict_is_there() -> None:
    verdicts = {step["verdict"].split()[0] for vector in VECTORS.values() for step in vector["steps"]}
    assert verdicts == {
        "advanced",
        "known",
        "headers",
        "handoffs",
        "validators",
        "need",
        "invalid:",
        "conflict",
        "proven",
        "unproven",
        "unlinked",
    }
