"""What the names in a file stand for: its syntax tree, with imports and aliases resolved."""

import ast
import builtins
from collections.abc import Iterator

BUILTINS = frozenset(dir(builtins))


def dotted(node: ast.AST) -> str:
    """``datetime.now`` as it is written; "" of what is no name."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """What the names of imports stand for, wherever they are imported: ``d`` → ``datetime.datetime``. A name that is assigned another
    such name stands for the same."""
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
    """``datetime.datetime.now`` of ``d.now``, by what :func:`aliases` found."""
    first, dot, rest = dotted(node).partition(".")
    return f"{named.get(first, first)}{dot}{rest}".removeprefix("builtins.")


def used(tree: ast.AST, named: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the full name of each use of what is imported or built in, called or handed over."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first = dotted(node).partition(".")[0]
            if first in named or (first in BUILTINS and isinstance(node, ast.Name)):
                yield node.lineno, in_full(node, named)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All of them, however deep; not what is in them, which is ten times as much."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, name, ()):
            yield each
            yield from statements(each)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules that import statements name. Of ``from services import auctions`` that is services.auctions."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "services":
            yield from (f"services.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def reached(tree: ast.AST) -> Iterator[str]:
    """What imports name, in full: of ``from services.pools import api`` that is services.pools.api."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")
