"""All vectors of the light client. `python -m tests.light_cases` writes them to tests/vectors/light/.

The files are what counts: tests read them and compare them with what this module makes, so that a changed
rule or byte shows as a changed file.
"""

from __future__ import annotations

import json

from tests.light_block_cases import block_cases
from tests.light_epoch_cases import epoch_cases
from tests.light_forge import Json
from tests.light_proof_cases import proof_cases
from tests.light_run_cases import run_cases
from tests.light_vectors import FOLDER


def current() -> dict[str, Json]:
    """Every vector by its name."""
    cases = {**block_cases(), **run_cases(), **epoch_cases(), **proof_cases()}
    return {name: {**made, "meta": {"case": name, **made["meta"]}} for name, made in cases.items()}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, vector in current().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(vector, indent=1) + "\n", encoding="utf-8")
