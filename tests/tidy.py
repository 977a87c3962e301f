"""Measures source files for tests/test_tidy.py: sizes in code lines, parameters, banned names and calls.

Code lines are lines that carry code: blank lines, comments and docstrings are free, so that nobody shortens
an explanation to meet a budget.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

BANNED_MODULE_WORDS = frozenset({"util", "utils", "helper", "helpers", "common", "manager", "misc"})
BANNED_CALLS = frozenset({"hash", "open", "print", "input", "eval", "exec", "__import__"})
_NO_CODE = frozenset(
    {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """One parsed file."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.tree = ast.parse(text)
        self._code_lines = _code_lines(text) - _docstring_lines(self.tree)

    @classmethod
    def read(cls, root: Path, path: Path) -> Source:
        """The file at `path`, named relative to `root`."""
        return cls(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))

    def file_lines(self) -> dict[str, int]:
        """The file's code lines under its own name."""
        return {self.path: len(self._code_lines)}

    def function_lines(self) -> dict[str, int]:
        """Code lines of every function, nested ones counted in their parent too."""
        return {
            name: len(self._code_lines & set(range(node.lineno, (node.end_lineno or 0) + 1)))
            for name, node in self.functions()
        }

    def parameters(self) -> dict[str, int]:
        """Parameters of every function; self and cls are free."""
        return {name: _parameter_count(node) for name, node in self.functions()}

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function as `path::Class.method` with its node."""
        yield from _functions(self.tree, f"{self.path}::")

    def banned_words(self) -> list[str]:
        """Words of the file's own name that say nothing about what is inside."""
        return sorted(set(Path(self.path).stem.split("_")) & BANNED_MODULE_WORDS)

    def impurities(self) -> list[str]:
        """Calls and randomness that a pure module must not hold and that import contracts cannot see."""
        return [f"{self.path}:{node.lineno} {what}" for node, what in _impurities(self.tree)]

    def floats(self) -> list[str]:
        """Everything that makes a float: literals, true division, `float`, numpy's float types."""
        return [f"{self.path}:{node.lineno} {what}" for node, what in _floats(self.tree)]


def _code_lines(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = [(token.start[0], token.end[0]) for token in tokens if token.type not in _NO_CODE]
    return {line for first, last in spans for line in range(first, last + 1)}


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Lines of strings that stand as statements: docstrings, also below a constant or field."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and _is_text(node.value)]
    return {line for node in nodes for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield prefix + node.name, node
        if isinstance(node, (Function, ast.ClassDef)):
            yield from _functions(node, f"{prefix}{node.name}.")
        else:
            yield from _functions(node, prefix)


def _parameter_count(node: Function) -> int:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star]
    return len([a for a in named if a.arg not in {"self", "cls"}]) + len(stars)


def _impurities(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
            yield node, f"calls {node.func.id}()"
        elif isinstance(node, ast.Attribute) and _is_numpy_random(node):
            yield node, "uses numpy.random"
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and _imports_numpy_random(node):
            yield node, "imports numpy.random"


def _is_numpy_random(node: ast.Attribute) -> bool:
    return node.attr == "random" and isinstance(node.value, ast.Name) and node.value.id in {"np", "numpy"}


def _imports_numpy_random(node: ast.Import | ast.ImportFrom) -> bool:
    module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    return any(f"{module}{alias.name}.".startswith("numpy.random.") for alias in node.names)


def _floats(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node, f"float literal {node.value}"
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div):
            yield node, "true division"
        elif isinstance(node, ast.Name) and node.id == "float":
            yield node, "float"
        elif isinstance(node, ast.Attribute) and node.attr.startswith("float"):
            yield node, node.attr
