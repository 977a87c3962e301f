"""Configuration files: TOML in, frozen dataclasses out, and one helpful sentence for every mistake.

A file's sections are the fields of a dataclass whose types are dataclasses; their fields are the keys. Both
programs read their files with this, so an unknown key is told with file, line and the key that was meant.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_BYTES_MAX = 1 << 20
T = TypeVar("T")


class SettingsError(Exception):
    """A configuration file that cannot be used; the text is one sentence: what, where, how to mend it."""


def read_settings(path: Path, kind: type[T]) -> T:
    """Read `path` into a dataclass of sections; raises `SettingsError`.

    Relative paths in the file are taken from the file's folder.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise SettingsError(f"{path} is larger than {FILE_BYTES_MAX} bytes; this is not a configuration")
        text = data.decode()
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the configuration file {path}: {error}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    return _Section(path, text.splitlines(), "").build(kind, table)


def missing(path: Path) -> SettingsError:
    """There is no such file."""
    return SettingsError(f"there is no configuration file {path}; `init` writes one")


def toml_string(text: str) -> str:
    """The text as `read_settings` will find it again; raises `ValueError` for a path that is not UTF-8.

    A JSON string is a TOML string, once DEL is escaped, too.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not UTF-8 and cannot stand in a configuration file") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class _Section:
    """One table of a file, for messages that say where."""

    def __init__(self, path: Path, lines: list[str], name: str) -> None:
        self._path = path
        self._lines = lines
        self._name = name

    def build(self, kind: type[T], table: Mapping[str, Any]) -> T:
        hints = get_type_hints(kind)
        known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
        for key in table:
            if key not in known:
                raise self._error(key, f"unknown key '{self._full(key)}'{_meant(key, list(known))}")
        values = {}
        for name, field in known.items():
            if name in table:
                values[name] = self._value(name, hints[name], table[name])
            elif field.default is MISSING and field.default_factory is MISSING:
                if not is_dataclass(hints[name]):
                    raise self._error("", f"key '{self._full(name)}' is missing")
                values[name] = self._value(name, hints[name], {})
        try:
            return kind(**values)
        except ValueError as error:
            raise self._error(str(error).split(" ", 1)[0], str(error)) from error

    def _value(self, key: str, kind: Any, value: Any) -> Any:
        if is_dataclass(kind):
            if not isinstance(value, dict):
                raise self._error(key, f"'{self._full(key)}' must be a section [{self._full(key)}]")
            return _Section(self._path, self._lines, self._full(key)).build(kind, value)  # type: ignore[arg-type]
        kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        for one in kinds:
            if one is Path and isinstance(value, str):
                return self._path.parent / Path(value).expanduser()
            if (
                get_origin(one) is tuple
                and isinstance(value, list)
                and all(isinstance(v, str) for v in value)
            ):
                return tuple(value)
            if one is float and type(value) is int:
                return float(value)
            if one in (str, int, float, bool) and type(value) is one:
                return value
        wanted = " or ".join(
            _NAMES.get(get_origin(one) or one, "text") for one in kinds if one is not NoneType
        )
        raise self._error(key, f"'{self._full(key)}' must be {wanted}, not {value!r}")

    def _full(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _error(self, key: str, what: str) -> SettingsError:
        line = self._line_of(key)
        where = f"{self._path}, line {line}" if line else f"{self._path}, section [{self._name}]"
        return SettingsError(f"{where}: {what}")

    def _line_of(self, key: str) -> int | None:
        """Line of `key` in this section; tomllib does not say, so it is found again in the text."""
        section = ""
        for number, text in enumerate(self._lines, 1):
            bare = text.split("#", 1)[0].strip()
            if bare.startswith("["):
                section = bare.strip("[] ")
                if not self._name and section == key:
                    return number
            elif section == self._name and bare.split("=", 1)[0].strip().strip('"') == key and key:
                return number
        return None


_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    tuple: 'a list of texts, like ["one", "two"]',
}


def _meant(key: str, known: list[str]) -> str:
    close = get_close_matches(key, known, 1)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"
