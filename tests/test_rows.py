"""Rows of a store are read through :mod:`infra.reading`: an unreadable one does not affect the others, and log and health name it."""

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.names import aliases, in_full, nodes, parsed
from tests.rooms import PROJECT

DECODES = (
    "msgspec.json.decode",
    "msgspec.json.Decoder",
    "msgspec.msgpack.decode",
    "msgspec.convert",
    "json.loads",
    "services.observatory.domain.observation_of",
)
READS = (
    *("read_one", "readable", "listed", "lines", "read_apart", "listed_apart"),  # infra.reading
    *("States", "Decoded"),  # infra.states, infra.decoded
)
"""Functions that call another function for each row; an error of one row does not affect the other rows."""
STORES = ("services/*/store.py", "services/*/store/*.py", "services/market/*.py")
EXCEPT = {
    ("services/transparency/store/published.py", ""): "the release was written by this market and never changes",
    ("services/market/places.py", "_as_told"): "the place comes from a person, not from a row",
}
"""Files and functions ("" means no function) that may decode nevertheless, and why."""


class _Part:
    """A function of a module, or what is outside of all of them: whether it decodes, and whom else it uses, by full names."""

    def __init__(self, module: str, path: str, node: ast.AST, named: Mapping[str, str]) -> None:
        self.path, self.line = path, getattr(node, "lineno", 1)
        self.name = getattr(node, "name", "")
        self.full = f"{module}.{self.name}"
        self.waits = isinstance(node, ast.AsyncFunctionDef)
        self.decodes = False
        self.uses: set[str] = set()
        self.hands: set[str] = set()
        self._module, self._named = module, dict(named)
        for inner in ast.iter_child_nodes(node):
            self._look(inner, handed=False)

    def _look(self, node: ast.AST, *, handed: bool) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (not self.name or not handed):
            return  # it is a part of its own
        if isinstance(node, ast.Call):
            called = in_full(node.func, self._named)
            handed = handed or called.rpartition(".")[2] in READS
            self.decodes |= not handed and called in DECODES
        if isinstance(node, ast.Name | ast.Attribute):
            (self.hands if handed else self.uses).add(self._of(node))
        for inner in ast.iter_child_nodes(node):
            self._look(inner, handed=handed)

    def _of(self, node: ast.AST) -> str:
        full = in_full(node, self._named)
        if full.startswith("self."):
            full = full.removeprefix("self.")
        return full if "." in full else f"{self._module}.{full}"


def _parts(path: str, source: str) -> Iterator[_Part]:
    tree = parsed(source)
    named = aliases(tree)
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    yield _Part(module, path, tree, named)
    for node in nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef):
        yield _Part(module, path, node, named)


def unguarded(sources: Mapping[str, str]) -> list[str]:
    """The places where these modules decode a row, or call a function that does, so that one unreadable row would stop all
    of their work. Allowed are functions that are called for one row by a function in :data:`READS`, or by another such
    function."""
    parts = [each for path, source in sources.items() for each in _parts(path, source)]
    parts = [each for each in parts if (each.path, each.name) not in EXCEPT]
    decoders = {each.full for each in parts if each.decodes and each.name and not each.waits}
    while more := {each.full for each in parts if each.name and not each.waits and each.uses & decoders} - decoders:
        decoders |= more
    handed = {name for each in parts for name in each.hands}
    used = {name for each in parts for name in each.uses if each.full != name}
    return [
        f"{each.path}:{each.line}: {each.name or 'the module'} decodes rows outside infra.reading"
        for each in parts
        if (each.decodes or each.uses & decoders) and (each.full not in decoders or each.full not in handed | used)
    ]


def _stores() -> dict[str, str]:
    paths = sorted({path for pattern in STORES for path in PROJECT.glob(pattern)})
    return {path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def test_no_store_decodes_a_row_by_itself() -> None:
    assert unguarded(_stores()) == []


def test_every_exception_names_a_function_that_exists() -> None:
    stores = _stores()
    assert all(path in stores and (not name or f"def {name}(" in stores[path]) for path, name in EXCEPT)


READER = (
    "import msgspec\nfrom infra.reading import read_one\ndef _read(row):\n    return msgspec.json.decode(row, type=X)\n"
)


@pytest.mark.parametrize(
    "source",
    [
        "import msgspec\nasync def all(db):\n    return [msgspec.json.decode(row, type=X) for row in await db.fetch('')]",
        "from msgspec.json import decode\nasync def one(db):\n    return decode(await db.fetchval(''), type=X)",
        "import msgspec as m\nasync def one(db):\n    return m.convert(await db.fetchval(''), X)",
        "import json\nclass Rows:\n    async def one(self, db):\n        return json.loads(await db.fetchval(''))",
        "import msgspec\nx = msgspec.json.Decoder(X)",
        f"{READER}async def one(db):\n    return _read(await db.fetchrow(''))",
        f"{READER}async def one(db):\n    return read_one('x', 1, _read, await db.fetchrow('')), _read(await db.fetchrow(''))",
        f"{READER}def both(rows):\n    return [_read(row) for row in rows]\nasync def all(db):\n    return both(await db.fetch(''))",
    ],
)
def test_a_planted_breach_is_found(source: str) -> None:
    assert unguarded({"services/x/store.py": source})


@pytest.mark.parametrize(
    "source",
    [
        f"{READER}async def one(db):\n    return read_one('x', 1, _read, await db.fetchrow(''))",
        f"{READER}def _all(row):\n    return _read(row)\nasync def all(db):\n    return listed('x', await db.fetch(''), key, _all)",
        "import msgspec\nasync def all(db):\n    return listed('x', rows, key, lambda row: msgspec.convert(row, X))",
        f"{READER}_rows = States(Row, 'x', _read)",
    ],
)
def test_what_is_read_row_by_row_is_not_complained_of(source: str) -> None:
    assert unguarded({"services/x/store.py": source}) == []
