"""Outcomes on disk, a line each, written as they come: a comparison that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from firmware_profiles.compare.cases import Case
from firmware_profiles.compare.outcome import Outcome

FILE = "results.jsonl"


class ResultsError(Exception):
    """The folder holds results of something else; one sentence."""


class Results:
    """The outcomes in one folder. `study` says of what they are: fleet, devices, time; others are refused."""

    def __init__(self, folder: Path, study: str) -> None:
        """Reads what is there; a torn last line is forgotten. Raises `ResultsError`, `OSError`."""
        self._path = folder / FILE
        self._found: dict[Case, Outcome] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._read(study)
        else:
            self._path.write_text(f"{study}\n", encoding="utf-8")

    def _read(self, study: str) -> None:
        text = self._path.read_text(encoding="utf-8")
        first, _, rest = text.partition("\n")
        if first != study:
            raise ResultsError(
                f"{self._path} holds results of '{first}', not of '{study}'; give another --out"
            )
        complete = rest[: rest.rfind("\n") + 1]
        for line in complete.splitlines():
            self._keep(line)
        if complete != rest:
            self._path.write_text(f"{first}\n{complete}", encoding="utf-8")

    def _keep(self, line: str) -> None:
        try:
            outcome = Outcome.from_json(line)
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(
                f"{self._path} has a line that is no result ({error}); delete the file"
            ) from error
        self._found[outcome.case] = outcome

    def add(self, outcome: Outcome) -> None:
        """Write it down."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(outcome.to_json() + "\n")
        self._found[outcome.case] = outcome

    def missing(self, wanted: Iterable[Case]) -> list[Case]:
        """What has not been rehearsed yet."""
        return [case for case in wanted if case not in self._found]

    def of(self, wanted: Iterable[Case]) -> list[Outcome]:
        """Those that are there."""
        return [self._found[case] for case in wanted if case in self._found]
