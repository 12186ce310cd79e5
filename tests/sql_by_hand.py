"""The rule for SQL that is written by hand (docs/architecture.md): a store reads and writes single rows with SQLModel or
:mod:`infra.states`, unless a statement has one of the ``REASONS``, and the head of the module names these.
tests/test_sql_by_hand.py applies the rule to each store."""

import ast
import re
from collections.abc import Iterator

from tests.database_rules import WRITES
from tests.names import parsed
from tests.rooms import REPLICAS, in_a_store

STATEMENT = re.compile(
    r"\b(select\b.*?\bfrom|insert into|update [\w.]+( \w+)? set|update \w+\.|delete from|lock table|"
    r"select pg_\w+\()\b",
    re.DOTALL,
)
REASONS = {
    "lists": re.compile(r"\border by\b|\blimit\b|\bcall:(count|first|page)\b"),
    "arrays": re.compile(r"\bunnest\(|\b(any|all)\(|_to_recordset\(|array_agg\(|\bcall:(executemany|fetchmany)\b"),
    "locks": re.compile(r"\bfor (no key )?(update|share)\b|pg_(try_)?advisory_|\block table\b"),
    "aggregates": re.compile(r"\b(count|sum|min|max|avg|greatest|coalesce)\(|\bgroup by\b|\bdistinct\b|\bexists\b"),
    "upserts": re.compile(r"\bon conflict\b"),
    "guarded writes": re.compile(
        r"\breturning\b|\bcase when\b|\bset \w+ = \w+ [|+-]|\band (not \w|\w+ (<>|<|is) |\w+ = ')"
    ),
    "JSON": re.compile(r"::text\b|::jsonb\b|->"),
    "several tables": re.compile(r"\bjoin\b|\bfrom [\w.]+( \w+)?, [\w.]+|\binsert into [^;]* select [^;]*\bfrom \w+\."),
    "views": re.compile(r"\bfrom quotes\.sealed\b"),
    "transaction ids": re.compile(r"\bxmin\b|pg_current_snapshot"),
    "reads without a transaction": re.compile(r"\bgiven:db\b"),
    "hot paths": re.compile("(?!)"),
}
"""The reasons, each with what a function shows in its SQL, its calls (``call:``) and its parameters (``given:``)."""
HOT_PATHS = {"services/recommender/store/market.py": {"_move_end"}}
"""Functions that run for each bid, and whose SQL shows no other reason."""
LAST = "reads without a transaction"
"""The reason that most functions show, so that another one says more."""
SENTENCE = re.compile(r"\bSQL is written by hand here for ([^.]+)\.")


def named(source: str) -> set[str] | None:
    """Return the reasons that the head of a module names, or None if it has no such sentence."""
    found = SENTENCE.search(" ".join((ast.get_docstring(parsed(source)) or "").split()))
    return set(re.split(r", | and ", found[1])) if found else None


def shown(path: str, source: str) -> dict[str, set[str]]:
    """Return the reasons that each function with SQL shows, by its name."""
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    constants: dict[str, ast.expr] = {}
    _collect(parsed(source), "", functions, constants)
    texts = {name: " ".join(_texts(each, constants)) for name, each in functions.items()}
    return {
        name: {reason for reason, sign in REASONS.items() if sign.search(text)}
        - {LAST if WRITES.search(text) else "guarded writes"}
        | ({"hot paths"} if name in HOT_PATHS.get(path, ()) else set())
        for name, text in texts.items()
        if STATEMENT.search(text)
    }


def breaches(path: str, source: str) -> Iterator[str]:
    """Yield how a module of a store breaks the rule. ``path`` is relative to the project."""
    if not (in_a_store(path) or path == REPLICAS) or "/migrations/" in path:
        return
    given, functions = named(source), shown(path, source)
    if given is None:
        if functions:
            yield f"{path}: its head must say: SQL is written by hand here for {_sentence(functions)}."
        return
    for reason in sorted(given - set().union(*functions.values())):
        yield f"{path}: no statement is written by hand for {reason}"
    for name, reasons in functions.items():
        if not reasons:
            yield f"{path}: {name} must use SQLModel or States, because its statement has no reason to be written by hand"
        elif not reasons & given:
            yield f"{path}: the head must name a reason for {name}, such as {', '.join(sorted(reasons))}"


def _sentence(functions: dict[str, set[str]]) -> str:
    """Return few reasons that together cover the functions."""
    open_ones, chosen = [each for each in functions.values() if each], []
    while open_ones:
        best = max(
            REASONS, key=lambda reason: sum(reason in each and (reason != LAST or len(each) == 1) for each in open_ones)
        )
        chosen.append(best)
        open_ones = [each for each in open_ones if best not in each]
    return " and ".join([", ".join(chosen[:-1]), chosen[-1]] if len(chosen) > 1 else chosen)


def _collect(
    node: ast.AST,
    owner: str,
    functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef],
    constants: dict[str, ast.expr],
) -> None:
    for each in getattr(node, "body", ()):
        match each:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions[owner + each.name] = each
            case ast.ClassDef():
                _collect(each, f"{owner}{each.name}.", functions, constants)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                constants[name] = value


def _texts(node: ast.AST, constants: dict[str, ast.expr], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the texts in a function and in the constants that it uses, its calls and the parameter ``db``."""
    docstring = ast.get_docstring(node, False) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
    for each in ast.walk(node):
        match each:
            case ast.Constant(value=str(text)) if text != docstring:
                yield text
            case ast.Name(id=name) if name in constants and name not in seen:
                yield from _texts(constants[name], constants, seen | {name})
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield f"call:{name}"
            case ast.arg(arg="db"):
                yield "given:db"
