"""TOML tables in, frozen dataclasses out; what does not fit is told in one sentence with file, table and key.

A dataclass's fields are the keys of its table. Types: text, whole number, number, true/false, lists of these,
another dataclass (a table), a tuple of dataclasses (an array of tables), a dict of dataclasses (tables by
name), `Fact`, and `Annotated[Figure, unit]` or `Annotated[Curve, unit]`, which say the only unit of the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from itertools import pairwise
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from firmware_profiles.profiles.figure import Curve, Fact, Figure, Provenance, Unit

T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class ProfileError(Exception):
    """A profile or fleet that cannot be used; the text is one sentence: where, what, how to mend it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A table of a file; the empty name is the top of the file."""

    file: str
    table: str = ""

    def below(self, name: str) -> Place:
        """The table `name` in this one."""
        return Place(self.file, f"{self.table}.{name}" if self.table else name)

    def error(self, key: str, what: str) -> ProfileError:
        """To be raised: what is wrong with a key of this table."""
        table = f", table [{self.table}]" if self.table else ""
        return ProfileError(f"{self.file}{table}, key '{key}': {what}")


def build(kind: type[T], table: Mapping[str, Any], place: Place) -> T:
    """The table as a `kind`; raises `ProfileError`."""
    hints = get_type_hints(kind, include_extras=True)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise place.error(key, f"is not known here{meant(key, known)}")
    values = {}
    for name, field in known.items():
        if name in table:
            values[name] = _value(hints[name], table[name], place, name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise place.error(name, "is missing")
    try:
        return kind(**values)
    except ValueError as error:
        raise place.error(str(error).split(" ", 1)[0], str(error)) from error


def build_each(kind: type[T], tables: Mapping[str, Any], place: Place) -> dict[str, T]:
    """A file or table of nothing but tables, by their names."""
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise place.error(name, f"must be a table [{place.below(name).table}]")
    return {name: build(kind, table, place.below(name)) for name, table in tables.items()}


def meant(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """The end of a sentence about an unknown word: what was probably meant, else what there is."""
    close = get_close_matches(word, list(known), 3, 0.5)
    return f"; did you mean {' or '.join(close)}?" if close else f"; known: {', '.join(known)}"


def _value(kind: Any, value: Any, place: Place, key: str) -> Any:
    if get_origin(kind) is Annotated:
        what, unit = get_args(kind)
        return (_figure if what is Figure else _curve)(value, unit, place, key)
    if get_origin(kind) in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return _value(kind, value, place, key)
    if kind is Fact:
        return _fact(value, place, key)
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise place.error(key, "must be a table")
        return build(kind, value, place.below(key))  # type: ignore[arg-type]
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise place.error(key, "must be a table of tables")
        return build_each(get_args(kind)[1], value, place.below(key))
    if get_origin(kind) is tuple:
        return _list(get_args(kind)[0], value, place, key)
    return _plain(kind, value, place, key)


def _list(kind: Any, value: Any, place: Place, key: str) -> Any:
    if not isinstance(value, list):
        raise place.error(key, "must be a list")
    if is_dataclass(kind):
        return tuple(_value(kind, one, place, f"{key}.{number}") for number, one in enumerate(value, 1))
    return tuple(_plain(kind, one, place, key) for one in value)


def _plain(kind: Any, value: Any, place: Place, key: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _word(kind, value, place, key)
    if kind is float and type(value) in (int, float) and isfinite(value):
        return float(value)
    if kind is not float and type(value) is kind:
        return value
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    raise place.error(key, f"must be {names[kind]}, not {value!r}")


def _figure(value: Any, unit: Unit, place: Place, key: str) -> Figure:
    table = _sourced(value, ("value", "range"), place, key)
    _check_unit(table, unit, place, key)
    found = table["range"] if "range" in table else [table["value"]]
    if not isinstance(found, list) or len(found) != ("range" in table) + 1:
        raise place.error(key, "a range has two ends, as in range = [1.6, 3.1]")
    low, high = (_number(one, unit, place, key) for one in (found[0], found[-1]))
    if "range" in table and low >= high:
        raise place.error(key, f"the range begins with its lower end; {low:g} is not below {high:g}")
    return Figure(low, high, unit, *_origin(table, place, key))


def _curve(value: Any, unit: Unit, place: Place, key: str) -> Curve:
    table = _sourced(value, ("points",), place, key)
    _check_unit(table, unit, place, key)
    points = table["points"]
    pairs = isinstance(points, list) and all(isinstance(one, list) and len(one) == 2 for one in points)
    if not pairs or len(points) < 2:
        raise place.error(key, "points are two or more pairs, as in points = [[0, 3.0], [1, 4.2]]")
    found = tuple((_number(x, Unit.SHARE, place, key), _number(y, unit, place, key)) for x, y in points)
    shares = [x for x, _ in found]
    rising = all(one < after for one, after in pairwise(shares))
    if not rising or (shares[0], shares[-1]) != (0, 1):
        raise place.error(key, "the first number of the points rises from 0 to 1")
    return Curve(found, unit, *_origin(table, place, key))


def _fact(value: Any, place: Place, key: str) -> Fact:
    table = _sourced(value, ("text",), place, key)
    if not isinstance(table["text"], str) or not table["text"].strip():
        raise place.error(key, "text must be words")
    return Fact(table["text"], *_origin(table, place, key))


def _sourced(value: Any, contents: tuple[str, ...], place: Place, key: str) -> Mapping[str, Any]:
    """The inline table of a figure with exactly one of `contents` and no strange keys."""
    if not isinstance(value, Mapping):
        unit = "" if contents == ("text",) else 'unit = "…", '
        example = f'{{ {contents[0]} = …, {unit}provenance = "…", source = "…" }}'
        raise place.error(key, f"must say where it comes from, as in {key} = {example}")
    known = (*contents, "provenance", "source", *(() if contents == ("text",) else ("unit",)))
    for name in value:
        if name not in known:
            raise place.error(f"{key}.{name}", f"is not known here{meant(name, known)}")
    if sum(name in value for name in contents) != 1:
        raise place.error(key, f"must have {' or '.join(contents)}")
    return value


def _origin(table: Mapping[str, Any], place: Place, key: str) -> tuple[Provenance, str]:
    if "provenance" not in table:
        raise place.error(
            key, f"has no provenance; write one of {', '.join(one.value for one in Provenance)}"
        )
    source = table.get("source")
    if not isinstance(source, str) or not source.strip():
        raise place.error(key, "has no source; write where the figure comes from")
    return _word(Provenance, table["provenance"], place, f"{key}.provenance"), source


def _check_unit(table: Mapping[str, Any], unit: Unit, place: Place, key: str) -> None:
    if "unit" not in table:
        raise place.error(key, f'has no unit; write unit = "{unit.value}"')
    if table["unit"] != unit.value:
        raise place.error(key, f"is in {unit.value}, not {table['unit']}")


def _word(kind: type[E], value: Any, place: Place, key: str) -> E:
    words = {one.value: one for one in kind}
    if not isinstance(value, str) or value not in words:
        raise place.error(key, f"{value!r} is not known{meant(str(value), words)}")
    return words[value]


def _number(value: Any, unit: Unit, place: Place, key: str) -> float:
    least, most = unit.limits
    if type(value) not in (int, float) or not least <= value <= most:
        raise place.error(key, f"must be a number from {least:g} to {most:g} {unit.value}, not {value!r}")
    return float(value)
