"""Syntax trees of files, each made once in a process, and the full names for the names in one, with imports and aliases
resolved."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TypeVar

BUILTINS = frozenset(dir(builtins))
Kind = TypeVar("Kind", bound=ast.AST)


@cache
def parsed(source: str) -> ast.Module:
    """The syntax tree of a file. It stays for the process, because many tests read all files; so none may change it."""
    return ast.parse(source)


@cache
def _by_kind(tree: ast.AST) -> Mapping[type[ast.AST], list[ast.AST]]:
    found = defaultdict(list)
    for node in ast.walk(tree):
        found[type(node)].append(node)
    return found


def nodes(tree: ast.AST, *kinds: type[Kind]) -> Iterator[Kind]:
    """All nodes of these kinds in the tree of a whole file, one kind after the other."""
    there = _by_kind(tree)
    for kind in kinds:
        yield from there.get(kind, ())


def dotted(node: ast.AST) -> str:
    """A dotted name as written, such as ``datetime.now``; "" for anything else."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """The full names for imported names, wherever they are imported: ``d`` → ``datetime.datetime``. A name to which such a
    name is assigned has the same full name."""
    found: dict[str, str] = {}
    for node in nodes(tree, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            found |= {
                each.asname or each.name.split(".")[0]: each.name if each.asname else each.name.split(".")[0]
                for each in node.names
            }
        elif node.level == 0:
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in nodes(tree, ast.Assign):
        if dotted(node.value).partition(".")[0] in found:
            found |= {each.id: in_full(node.value, found) for each in node.targets if isinstance(each, ast.Name)}
    return found


def in_full(node: ast.AST, named: dict[str, str]) -> str:
    """The full name, such as ``datetime.datetime.now`` for ``d.now``, by the result of :func:`aliases`."""
    first, dot, rest = dotted(node).partition(".")
    return f"{named.get(first, first)}{dot}{rest}".removeprefix("builtins.")


def used(tree: ast.AST, named: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the full name of each use of an imported or built-in name, called or passed on."""
    for node in nodes(tree, ast.Name, ast.Attribute):
        first = dotted(node).partition(".")[0]
        if first in named or (first in BUILTINS and isinstance(node, ast.Name)):
            yield node.lineno, in_full(node, named)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules in import statements: for ``from services import auctions`` it is services.auctions."""
    for node in nodes(tree, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif node.level == 0 and node.module == "services":
            yield from (f"services.{alias.name}" for alias in node.names)
        elif node.level == 0 and node.module:
            yield node.module


def reached(tree: ast.AST) -> Iterator[str]:
    """The full names in imports: for ``from services.pools import api`` it is services.pools.api."""
    for node in nodes(tree, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")
