"""Budgets that keep the code readable, and bans that import contracts cannot express.

Docstrings and naming are ruff's part (rules D1 and N), imports import-linter's (both in pyproject.toml).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy import Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("edge_client", "broker", "firmware_profiles")
PURE = (
    *("edge_client/protocol/", "edge_client/core/", "broker/core/"),
    *("firmware_profiles/profiles/", "firmware_profiles/twin/"),
)
INTEGERS_ONLY = "edge_client/protocol/"  # what is signed, and what computes it
BUDGETS = {"function_lines": 50, "file_lines": 350, "parameters": 5, "floats": 0}
SIZES = ("function_lines", "file_lines", "parameters")
EXCEPTIONS: dict[str, dict[str, int]] = tomllib.loads(
    (ROOT / "tests" / "tidy_exceptions.toml").read_text(encoding="utf-8")
)


def over_budget(kind: str, sizes: dict[str, int], listed: dict[str, int]) -> list[str]:
    """One sentence for each size above its budget or listed size, and for each outdated entry of the list."""
    budget = BUDGETS[kind]
    found = []
    for name in sorted(sizes.keys() | listed.keys()):
        size, allowed = sizes.get(name, 0), listed.get(name, budget)
        if size > allowed:
            found.append(f"{name}: {size} {kind.replace('_', ' ')}, at most {allowed}")
        elif name in listed and size < allowed:
            mend = f"lower it to {size}" if size > budget else "remove it"
            found.append(f"{name}: tidy_exceptions.toml says {allowed}, it is {size} now: {mend}")
    return found


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    paths = [
        path for top in (*PACKAGES, "benchmarks", "scripts", "tests") for path in (ROOT / top).rglob("*.py")
    ]
    return [Source.read(ROOT, path) for path in sorted(paths) if "__pycache__" not in path.parts]


@pytest.mark.parametrize("kind", SIZES)
def test_sizes_are_within_budget(kind: str, sources: list[Source]) -> None:
    sizes = {name: size for source in sources for name, size in getattr(source, kind)().items()}
    assert len(sizes) > 20
    assert over_budget(kind, sizes, EXCEPTIONS[kind]) == []


def test_module_names_say_what_is_inside(sources: list[Source]) -> None:
    assert [source.path for source in sources if source.banned_words()] == []


def test_pure_packages_call_nothing_impure(sources: list[Source]) -> None:
    pure = [source for source in sources if source.path.startswith(PURE)]
    assert pure
    assert [line for source in pure for line in source.impurities()] == []


def test_protocol_computes_in_integers(sources: list[Source]) -> None:
    counts = {s.path: len(s.floats()) for s in sources if s.path.startswith(INTEGERS_ONLY)}
    assert counts
    assert not [path for path in EXCEPTIONS["floats"] if path.startswith(f"{INTEGERS_ONLY}execution/")]
    assert over_budget("floats", counts, EXCEPTIONS["floats"]) == []


def test_only_known_things_are_tracked() -> None:
    """Nothing that a build leaves behind is committed."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("not a git clone")
    leftovers = (".pyc", ".egg-info", ".db", ".sqlite", ".log")
    assert [
        line for line in listed.splitlines() if line.endswith(leftovers) or line.startswith("build/")
    ] == []


def test_the_ratchet_turns_one_way() -> None:
    listed = {"a.py::f": 60}
    assert over_budget("function_lines", {"a.py::f": 60, "a.py::g": 50}, listed) == []
    assert "at most 60" in over_budget("function_lines", {"a.py::f": 61}, listed)[0]
    assert "lower it to 55" in over_budget("function_lines", {"a.py::f": 55}, listed)[0]
    assert "remove it" in over_budget("function_lines", {"a.py::f": 40}, listed)[0]
    assert "remove it" in over_budget("function_lines", {}, listed)[0]
    assert "at most 50" in over_budget("function_lines", {"a.py::g": 51}, {})[0]


def test_comments_blank_lines_and_docstrings_are_free() -> None:
    head = '"""Module."""\n\n# why\ndef f(self, a, *, b, **rest):\n    """Doc,\n    long."""\n\n'
    text = head + "    return (\n        a\n    )\n"
    source = Source("x.py", text)
    assert source.file_lines() == {"x.py": 4}
    assert source.function_lines() == {"x.py::f": 4}
    assert source.parameters() == {"x.py::f": 3}


@pytest.mark.parametrize(
    "line",
    [
        "x = hash(1)",
        "open('f')",
        "print(1)",
        "np.random.default_rng(1)",
        "from numpy import random",
        "import numpy.random",
    ],
)
def test_each_impurity_is_seen(line: str) -> None:
    assert len(Source("x.py", line).impurities()) == 1


@pytest.mark.parametrize(
    "line", ["x = 0.5", "x = a / b", "x /= 2", "x = float(y)", "x = y.astype(np.float32)"]
)
def test_each_float_is_seen(line: str) -> None:
    assert len(Source("x.py", line).floats()) == 1


def test_integer_arithmetic_is_no_float() -> None:
    assert Source("x.py", "x = (a // 2 + 7 << 3) * b.floor").floats() == []


def test_banned_words_are_seen_inside_names() -> None:
    assert Source("a/round_utils.py", "").banned_words() == ["utils"]
    assert Source("a/utility_score.py", "").banned_words() == []
