"""The full names for the names in a file: its syntax tree, with imports and aliases resolved."""

import ast
import builtins
from collections.abc import Iterator

BUILTINS = frozenset(dir(builtins))


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
    for node in statements(tree):
        if isinstance(node, ast.Import):
            found |= {
                each.asname or each.name.split(".")[0]: each.name if each.asname else each.name.split(".")[0]
                for each in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in statements(tree):
        if isinstance(node, ast.Assign) and dotted(node.value).partition(".")[0] in found:
            found |= {each.id: in_full(node.value, found) for each in node.targets if isinstance(each, ast.Name)}
    return found


def in_full(node: ast.AST, named: dict[str, str]) -> str:
    """The full name, such as ``datetime.datetime.now`` for ``d.now``, by the result of :func:`aliases`."""
    first, dot, rest = dotted(node).partition(".")
    return f"{named.get(first, first)}{dot}{rest}".removeprefix("builtins.")


def used(tree: ast.AST, named: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the full name of each use of an imported or built-in name, called or passed on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first = dotted(node).partition(".")[0]
            if first in named or (first in BUILTINS and isinstance(node, ast.Name)):
                yield node.lineno, in_full(node, named)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements at any depth, without the expressions in them, which are ten times as many."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, name, ()):
            yield each
            yield from statements(each)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules in import statements: for ``from services import auctions`` it is services.auctions."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "services":
            yield from (f"services.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def reached(tree: ast.AST) -> Iterator[str]:
    """The full names in imports: for ``from services.pools import api`` it is services.pools.api."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")
