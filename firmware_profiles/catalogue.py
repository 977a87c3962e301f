"""Reads the shipped profiles, and files in the same format from anywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from firmware_profiles.profiles.battery import Battery
from firmware_profiles.profiles.board import BASED_ON, Board, laid_over, parse_board
from firmware_profiles.profiles.fleet import Fleet, parse_fleet
from firmware_profiles.profiles.link import Link
from firmware_profiles.profiles.parts import Parts
from firmware_profiles.profiles.tables import Place, ProfileError, build_each, meant

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_BYTES_MAX = 1 << 20
SUFFIX = ".toml"


class Catalogue(Parts):
    """Everything that is known, by name; the name of a board is that of its file."""

    __slots__ = ()

    def board(self, name: str) -> Board:
        """A shipped board, or the file at a path that ends in `.toml`; raises `ProfileError`."""
        if name.endswith(SUFFIX):
            return self.board_of(_read(Path(name)), Path(name).name)
        if name not in self.boards:
            raise ProfileError(f"there is no board '{name}'{meant(name, self.boards)}")
        return self.boards[name]

    def fleet(self, name: str) -> Fleet:
        """A shipped fleet, or the file at a path that ends in `.toml`; raises `ProfileError`."""
        file = fleet_file(name)
        known = {"board": self.boards, "link": self.links, "battery": self.batteries}
        return parse_fleet(_read(file), file.name, known)

    def fleets(self) -> dict[str, Fleet]:
        """All that are shipped, by name."""
        return {name: self.fleet(name) for name in _fleets()}

    def board_of(self, table: Mapping[str, Any], file: str) -> Board:
        """A board from its table, over the shipped one that it is based on."""
        base = table.get(BASED_ON, "")
        if base:
            if base not in self.boards:
                raise Place(file).error(
                    BASED_ON, f"there is no board '{base}'{meant(str(base), self.boards)}"
                )
            table = laid_over(_read(_data() / f"{base}{SUFFIX}"), table)
        board = parse_board(table, file)
        for key, known in (("links", self.links), ("batteries", self.batteries)):
            for name in getattr(board, key):
                if name not in known:
                    raise Place(file).error(key, f"'{name}' is not known{meant(name, known)}")
        return board


def read_catalogue() -> Catalogue:
    """What this package ships; raises `ProfileError`."""
    parts = _data() / "parts"
    links = build_each(Link, _read(parts / "links.toml"), Place("links.toml"))
    batteries = build_each(Battery, _read(parts / "batteries.toml"), Place("batteries.toml"))
    empty = Catalogue({}, links, batteries)
    boards = {name: empty.board_of(_read(file), file.name) for name, file in _toml_files(_data())}
    return Catalogue(boards, links, batteries)


def fleet_file(name: str) -> Path:
    """Where a shipped fleet lies, or the path itself that ends in `.toml`; raises `ProfileError`."""
    file = Path(name) if name.endswith(SUFFIX) else _fleets().get(name)
    if file is None:
        raise ProfileError(f"there is no fleet '{name}'{meant(name, _fleets())}")
    return file


def _fleets() -> dict[str, Path]:
    return dict(_toml_files(_data() / "fleets"))


def _data() -> Path:
    return Path(__file__).parent / "data"


def _toml_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        yield file.stem, file


def _read(file: Path) -> dict[str, Any]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot read {file}: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise ProfileError(f"{file.name} is larger than {FILE_BYTES_MAX} bytes; this is no profile")
    try:
        return tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{file.name} is not valid TOML: {error}") from error
