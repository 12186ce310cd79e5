"""The rules about database statements: only stores have them, and what writes gets a transaction (tests/rooms.py)."""

import ast
import re
from collections.abc import Iterator

from tests.names import PROJECT, nodes

WRITES = re.compile(
    r"insert into |delete from |merge into |\bupdate (\w+\.[\w{]|\w+ set\b)|for (no key )?update|pg_(try_)?advisory_xact_lock"
    r"|lock table |select auctions\.save\(|\bsession\.(add|add_all|delete|merge)\(",
    re.IGNORECASE,
)
HOT_PATHS = {
    "services/auctions/store/auctions.py": {"lock_versions", "lock_free", "save"},
    "services/auctions/store/bids.py": {"publish_withheld"},
    "services/auctions/store/blocked.py": {"block", "lock_due", "lose", "put_off", "unblock"},
    "services/auctions/store/pulse.py": {"beat", "check_tables"},
}
"""Functions that write or lock but take a connection: the lane and the pulse call them on their own connections."""
OPERATIONS = "operations"
"""The schema of the operator: processes, dead letters, positions."""
SPELLED = (ast.Constant, ast.JoinedStr, ast.BinOp)
"""Expressions that spell a text out."""
STATEMENTS = ("fetch", "fetchrow", "fetchval", "execute", "executemany")


def written_aside(path: str, tree: ast.Module) -> Iterator[str]:
    """Yield a breach for each public function or method that writes or locks rows and does not take a transaction: its
    write might not commit with its events. A function that uses a writing function of its module counts as writing, too."""
    parts = [part for each in tree.body for part in (each.body if isinstance(each, ast.ClassDef) else [each])]
    of = [(name, each) for each in parts for name in defined(each)]
    uses = [{inner.id for inner in ast.walk(each) if isinstance(inner, ast.Name)} for _, each in of]
    writing = {name for name, each in of if WRITES.search(ast.unparse(each))}
    while more := {name for (name, _), used in zip(of, uses, strict=True) if used & writing} - writing:
        writing |= more
    for each in parts:
        if isinstance(each, ast.AsyncFunctionDef) and each.name in writing and not each.name.startswith("_"):
            taken = "tx" in {given.arg for given in each.args.args}
            if not taken and each.name not in HOT_PATHS.get(path, ()):
                yield f"{path}:{each.lineno}: {each.name} writes or locks rows, so it must take tx"


def asked_aside(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield a breach for each database statement outside a store, written in the call or in a variable."""
    texts = {
        name: node.value
        for node in nodes(tree, ast.Assign, ast.AnnAssign)
        if isinstance(node.value, SPELLED)
        for name in defined(node)
    }
    for call in nodes(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr=name), args=[statement, *_]) if name in STATEMENTS:
                statement = texts.get(statement.id, statement) if isinstance(statement, ast.Name) else statement
                if isinstance(statement, SPELLED):
                    yield f"{path}:{call.lineno}: only a store may contain SQL: {ast.unparse(statement)[:60]}"


def schemas() -> frozenset[str]:
    """The schemas of the database: one for each service, and that of the operator."""
    migrated = (PROJECT / "services").glob("*/migrations")
    return frozenset({OPERATIONS, *(folder.parent.name for folder in migrated)})


TABLE = re.compile(
    rf"\b(?:from|join|into|update|table|truncate|lock|only)\s+\"?({'|'.join(sorted(schemas()))})\"?\.\"?\w",
    re.IGNORECASE,
)


def tables_of_others(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield a breach for each table of another service's schema that a statement names. Every service, and every
    process, may use the tables of the operator."""
    own = {OPERATIONS, path.split("/")[1]} if path.startswith("services/") else {OPERATIONS}
    explained = {id(node.value) for node in nodes(tree, ast.Expr)}
    for text in nodes(tree, ast.Constant):
        if isinstance(text.value, str) and id(text) not in explained:
            for schema in TABLE.findall(text.value):
                if schema.lower() not in own:
                    yield f"{path}:{text.lineno}: the tables of {schema} belong to that service alone"
    for call in nodes(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Name("schema_of"), args=[ast.Constant(str(schema))]) if schema not in own:
                yield f"{path}:{call.lineno}: the tables of {schema} belong to that service alone"


def defined(statement: ast.stmt) -> list[str]:
    """Return the names of the constants or functions that a statement of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [each.id for each in targets if isinstance(each, ast.Name)]
