"""The code contains everything that the documentation names: files, symbols in the file named with them, error codes and
settings of policies."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.names import nodes, parsed
from tests.rooms import PROJECT, ROOMS

PAGES = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
SYMBOL = r"`[A-Za-z_][\w.]*(?:\([^`]*\))?`"
SYMBOLS = rf"{SYMBOL}(?:(?:, | and | or |, or |, and ){SYMBOL})*"
FILE = r"(?:\[[^\]]*\]\((?P<link>[^)#\s]+)\)|`(?P<path>\w+(?:/\w+)+(?:\.py|/)?|\w+/)`)"
BESIDE = (
    re.compile(rf"(?P<symbols>{SYMBOLS}) (?:in|of) {FILE}"),
    re.compile(rf"(?P<symbols>{SYMBOLS}) \({FILE}\)"),
    re.compile(rf"{FILE} \((?P<symbols>{SYMBOLS})[);]"),
)
"""Symbols with their file: ``A` and `B` in [x](file)``, ``A` (`file.py`)``, ``[x](file) (`A`, `B`)``. The file is a link,
or a path relative to the project."""
CODE = re.compile(r"`([a-z]+(?:-[a-z]+)+)`")
NAME = re.compile(r"`((?:[A-Za-z]\w*\.)*(?:[A-Z]\w*[A-Z_a-z]\w*|_?[a-z]+(?:_[a-z]+)+))(?:\([^`]*\))?`")
"""Names of code: ``ClassName``, ``CONSTANT``, ``some_name``, ``outer.some_name``. Lower-case words without an underscore
are not checked."""
PLACEHOLDERS = {"upcast_vN"}


def named_beside(text: str) -> Iterator[tuple[str, str]]:
    """The symbols that a page names together with a file, as (symbol, link or path)."""
    for pattern in BESIDE:
        for found in pattern.finditer(text):
            for symbol in re.findall(SYMBOL, found["symbols"]):
                yield symbol.strip("`").partition("(")[0], found["link"] or found["path"]


def lacking(page: Path, text: str) -> list[str]:
    """The symbols that a page names together with a file of code that does not contain them."""
    wrong = []
    for symbol, beside in named_beside(text):
        there = page.parent / beside if beside.startswith(".") else PROJECT / beside
        files = [there] if there.suffix == ".py" else sorted(there.rglob("*.py"))
        defined: set[str] = set().union(*map(defined_in, filter(Path.exists, files)))
        if files and not set(symbol.split(".")) <= defined:
            wrong.append(f"{symbol} in {beside}")
    return wrong


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The names of all functions, classes, parameters, fields and values in a file."""
    found = set()
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.arg, ast.Name)
    for node in nodes(parsed(path.read_text()), *named):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return frozenset(found)


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for room in (*ROOMS, "tests") for path in sorted((PROJECT / room).rglob("*.py")))


def known_among(names: set[str]) -> set[str]:
    """Which of these names are defined in the code or the policies. A file of the tests is parsed only if it contains a
    name that is not found elsewhere."""
    rooms = [path for path in sources() if path.relative_to(PROJECT).parts[0] != "tests"]
    known = settings().union(*map(defined_in, rooms))
    for path in sources():
        if any(name in path.read_text() for name in names - known):
            known |= defined_in(path)
    return names & known


@cache
def settings() -> frozenset[str]:
    """The settings of the shipped policies, as ``outer.inner`` of any length, and their sections."""

    def names(table: dict[str, Any], before: tuple[str, ...] = ()) -> Iterator[str]:
        for key, value in table.items():
            path = (*before, key)
            yield from (".".join(path[start:]) for start in range(len(path)))
            if isinstance(value, dict):
                yield from names(value, path)

    return frozenset(
        name
        for path in (PROJECT / "catalogue/policies").glob("*.toml")
        for name in names(tomllib.loads(path.read_text()))
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_symbol_is_in_the_file_that_is_named_beside_it(page: Path) -> None:
    assert lacking(page, page.read_text()) == []


def test_the_pages_name_symbols_beside_files() -> None:
    assert len(list(named_beside((PROJECT / "docs/rules.md").read_text()))) >= 10
    assert len(list(named_beside((PROJECT / "docs/architecture.md").read_text()))) >= 3


@pytest.mark.parametrize(
    "text",
    [
        "`Bid.key` in [bids.py](../services/auctions/domain/bids.py)",
        "`text_of` and `in_process` in [loading.py](../catalogue/policy/loading.py), in the events",
        "`Gone` or `NotAllowed` (`infra/denied.py`)",
        "declared as `Stated(…)` of `infra/states.py`, where",
        "[infra/inbox.py](../infra/inbox.py) (`RETRIES`, `STOP_BEFORE`), and",
        "`rank_of_tomorrow` in [domain](../services/quotes/domain)",
    ],
)
def test_a_symbol_that_is_elsewhere_is_found(text: str) -> None:
    assert len(lacking(PROJECT / "docs/rules.md", text)) == 1


@pytest.mark.parametrize("page", ["rules.md", "architecture.md"])
def test_every_name_of_code_is_one(page: str) -> None:
    text = (PROJECT / "docs" / page).read_text()
    names = {name for name in NAME.findall(text) if name not in PLACEHOLDERS and not name.startswith("LONJA_")}
    assert names
    known = known_among({part for name in names for part in name.split(".")} - set(ROOMS))
    assert not sorted(name for name in names if name not in known and not set(name.split(".")) <= known | set(ROOMS))


def test_every_error_code_of_the_rules_is_one() -> None:
    codes = set(CODE.findall((PROJECT / "docs/rules.md").read_text()))
    assert len(codes) > 10
    code = "\n".join(path.read_text() for path in sources() if path.relative_to(PROJECT).parts[0] != "tests")
    assert not sorted(each for each in codes if f'"{each}"' not in code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_of_code_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)+\.py)`", page.read_text())
    assert not [path for path in named if not (PROJECT / path).exists()]
