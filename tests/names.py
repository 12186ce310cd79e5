"""Syntax trees of files, each made once in a process, and the full names for the names in one, with imports and aliases
resolved."""

import ast
import builtins
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

PROJECT = Path(__file__).parent.parent
BUILTINS = frozenset([*dir(builtins), "__builtins__"])
CLOCKS = ("datetime.datetime", "datetime.date")
"""Classes with a clock. A class of the file that is derived from one has it too."""
Node = TypeVar("Node", bound=ast.AST)


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


def nodes(tree: ast.AST, *kinds: type[Node]) -> Iterator[Node]:
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
    """The full names for imported names, wherever they are imported: ``d`` → ``datetime.datetime``. A name that is bound
    to such a name has the same full name."""
    found: dict[str, str] = {}
    for node in nodes(tree, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            found |= {
                each.asname or each.name.split(".")[0]: each.name if each.asname else each.name.split(".")[0]
                for each in node.names
            }
        elif node.level == 0:
            found |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for name, value in bound(tree):
        if is_known(dotted(value), found):
            found[name] = in_full(value, found)
    for node in nodes(tree, ast.ClassDef):
        clocks = [full for base in node.bases if (full := in_full(base, found)) in CLOCKS]
        found |= dict.fromkeys([node.name], clocks[0]) if clocks else {}
    return found


def bound(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """The names to which a file gives values, with each value: by an assignment, by the default of a parameter, or by a
    loop over a written list. An attribute of a class is known by the class, ``self`` and ``cls``."""
    for node in nodes(tree, ast.Assign, ast.AnnAssign, ast.NamedExpr):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if node.value is not None:
                yield from _pairs(target, node.value)
    for each in nodes(tree, ast.arguments):
        by_place = [*each.posonlyargs, *each.args][-len(each.defaults) :] if each.defaults else []
        for arg, default in (
            *zip(by_place, each.defaults, strict=True),
            *zip(each.kwonlyargs, each.kw_defaults, strict=True),
        ):
            if default is not None:
                yield arg.arg, default
    for loop in nodes(tree, ast.For, ast.AsyncFor, ast.comprehension):
        if isinstance(loop.iter, ast.Tuple | ast.List | ast.Set):
            for element in loop.iter.elts:
                yield from _pairs(loop.target, element)
    for made in nodes(tree, ast.ClassDef):
        for statement in made.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                    for name, value in _pairs(target, statement.value):
                        yield from ((f"{of}.{name}", value) for of in (made.name, "self", "cls"))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case _, ast.IfExp(body=one, orelse=other):
            yield from _pairs(target, one)
            yield from _pairs(target, other)
        case ((ast.Tuple() | ast.List()), (ast.Tuple() | ast.List())) if len(target.elts) == len(value.elts):
            for each, of_it in zip(target.elts, value.elts, strict=True):
                yield from _pairs(each, of_it)
        case ast.Name(id=name), _:
            yield name, value


def is_known(name: str, named: Mapping[str, str]) -> bool:
    """Whether the name, or its first two parts (``C.d``), are in the result of :func:`aliases`."""
    first, dot, rest = name.partition(".")
    return first in named or f"{first}{dot}{rest.partition('.')[0]}" in named


def in_full(node: ast.AST, named: Mapping[str, str]) -> str:
    """The full name, such as ``datetime.datetime.now`` for ``d.now``, by the result of :func:`aliases`."""
    name = dotted(node)
    first, dot, rest = name.partition(".")
    second, more, last = rest.partition(".")
    if full := named.get(f"{first}.{second}"):
        return f"{full}{more}{last}".removeprefix("builtins.")
    return f"{named.get(first, first)}{dot}{rest}".removeprefix("builtins.")


@cache
def original(name: str) -> str:
    """The full name by which an imported thing was first known, across the modules of this project that import it:
    ``catalogue.policy.load`` → catalogue.policy.loading.load, ``catalogue.search.Path`` → pathlib.Path."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        known = _imports_of(".".join(parts[:length]))
        if known is not None:
            first, *rest = parts[length:]
            before = ".".join([known.get(first, ""), *rest])
            return original(before) if first in known and before != name else name
    return name


@cache
def in_library(name: str) -> str:
    """The full name without the module by way of which another module of the standard library is reached:
    ``json.codecs.open`` → codecs.open."""
    top, dot, rest = name.partition(".")
    first, more, last = rest.partition(".")
    if not dot or top not in sys.stdlib_module_names or top == "__future__":
        return name
    inner = getattr(import_module(top), first, None)
    if isinstance(inner, ModuleType) and not inner.__name__.startswith(f"{top}."):
        return in_library(f"{inner.__name__}{more}{last}")
    return name


@cache
def _imports_of(module: str) -> dict[str, str] | None:
    """The names that a module of this project imports, with their full names; None for other modules."""
    base = PROJECT.joinpath(*module.split("."))
    path = next((each for each in (base.with_suffix(".py"), base / "__init__.py") if each.is_file()), None)
    return aliases(parsed(path.read_text(encoding="utf-8"))) if path else None


def used(tree: ast.AST, named: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the full name of each use of an imported or built-in name, called, passed on or taken by
    ``getattr``."""
    for call in nodes(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Name("getattr"), args=[of, ast.Constant(str(name)), *_]):
                if is_known(dotted(of), named):
                    yield call.lineno, f"{in_full(of, named)}.{name}"
    for node in nodes(tree, ast.Name, ast.Attribute):
        name = dotted(node)
        if is_known(name, named) or (name in BUILTINS and isinstance(node, ast.Name)):
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
