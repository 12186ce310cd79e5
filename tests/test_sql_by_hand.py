"""Stores write SQL by hand only for the reasons that their heads name (tests/sql_by_hand.py); docs/architecture.md
explains the same reasons."""

import re

import pytest

from tests.rooms import PROJECT, files
from tests.sql_by_hand import HOT_PATHS, REASONS, breaches, named, shown

STORE = "services/x/store/y.py"
HEAD = '"""Rows. SQL is written by hand here for {}."""\n'


def test_every_store_names_the_reasons_for_its_sql() -> None:
    found = [line for path in files() for line in breaches(path, (PROJECT / path).read_text(encoding="utf-8"))]
    assert found == []


def test_the_page_about_the_architecture_explains_each_reason() -> None:
    page = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("| SQL by hand for |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (?!-)([^|]+) \|", table, re.MULTILINE) == list(REASONS)


def test_every_hot_path_exists() -> None:
    for path, names in HOT_PATHS.items():
        assert names <= shown(path, (PROJECT / path).read_text(encoding="utf-8")).keys()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            '"""Rows."""\nasync def x(tx):\n    await tx.fetch("select a from x.y order by a")',
            "by hand here for lists.",
        ),
        (HEAD.format("lists") + "A = 1", "no statement is written by hand for lists"),
        (HEAD.format("haste"), "no statement is written by hand for haste"),
        (
            HEAD.format("lists")
            + 'async def x(db):\n    await db.fetch("select a from x.y order by a")\n'
            + 'async def z(tx):\n    await tx.execute("delete from x.y where a = $1", 1)',
            "z must use SQLModel or States",
        ),
        (
            HEAD.format("lists")
            + 'PAGE = "select a from x.y order by a"\nasync def x(db):\n    await db.fetch(PAGE)\n'
            + 'async def z(tx):\n    await tx.execute("insert into x.y values ($1) on conflict do nothing", 1)',
            "the head must name a reason for z, such as upserts",
        ),
        (
            HEAD.format("reads without a transaction") + 'async def x(db):\n    await db.execute("delete from x.y")',
            "x must use SQLModel or States",
        ),
    ],
)
def test_a_planted_breach_is_found(source: str, message: str) -> None:
    assert any(message in line for line in breaches(STORE, source))


def test_sql_with_a_named_reason_is_no_breach() -> None:
    source = HEAD.format("lists, arrays and JSON") + (
        'async def page(db):\n    await db.fetch("select a from x.y order by a limit 10")\n'
        'async def some(db):\n    await db.fetch("select a from x.y where a = any($1)")\n'
        'class Copies:\n    async def one(self, tx):\n        await tx.fetch("select b::text from x.y where a = $1")\n'
    )
    assert named(source) == {"lists", "arrays", "JSON"}
    assert list(breaches(STORE, source)) == []
    assert list(breaches("services/x/views.py", "A = 'select a from x.y'")) == []
