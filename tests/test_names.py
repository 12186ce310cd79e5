"""Names follow docs/words.md: one word for one thing, and verbs for functions that act."""

import ast
import re
from collections.abc import Iterator

import pytest

from events.topics import TOPICS
from tests.names import nodes, parsed
from tests.rooms import PROJECT, files

NOT_OF_AUCTIONS = ("infra/", "services/accounts/login.py")
"""Files about sessions that are not auctions: those of databases, Kafka consumers and logins."""
KEPT = {"sessions"}
"""Names of tables that the former release reads."""
ACTS = re.compile(r"\binsert into |\bupdate [a-z]+\.|\bdelete from |\bfor update\b|_advisory_|\btx\.emit\(|\.save\(")
FACT = re.compile(r"[a-z]+ed|[a-z]+ing|due|gone|kept|lost|made|over|said|sent|told|withheld")


def of_sessions(path: str, source: str) -> Iterator[str]:
    """Classes, functions and tables for auctions whose names contain "session"."""
    if path.startswith(NOT_OF_AUCTIONS) or "/migrations/" in path:
        return
    for node in nodes(parsed(source), ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Assign):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                pass
            case ast.Assign(targets=[ast.Name(id="__tablename__")], value=ast.Constant(value=str(name))):
                pass
            case _:
                continue
        if "session" in name.casefold() and name not in KEPT:
            yield f"{path}: {name}"


def facts_that_act(path: str, source: str) -> Iterator[str]:
    """Coroutines that write, lock or emit events but are named like facts."""
    for node in nodes(parsed(source), ast.AsyncFunctionDef):
        if FACT.fullmatch(node.name.strip("_").partition("_")[0]) and ACTS.search(ast.unparse(node)):
            yield f"{path}: {node.name}"


def of_all(check: object) -> list[str]:
    assert callable(check)
    return [line for path in files() for line in check(path, (PROJECT / path).read_text(encoding="utf-8"))]


def test_code_says_auction_for_an_auction() -> None:
    assert of_all(of_sessions) == []
    assert not [topic.name for topic in TOPICS if "session" in topic.name]


def test_the_name_of_a_function_that_acts_is_a_verb() -> None:
    assert of_all(facts_that_act) == []


@pytest.mark.parametrize(
    ("check", "broken", "sound"),
    [
        (of_sessions, "class SessionRow: ...", "class AuctionRow: ..."),
        (of_sessions, "def open_sessions(): ...", "def open_auctions(): ..."),
        (
            of_sessions,
            "class Row:\n    __tablename__ = 'past_sessions'",
            "class Row:\n    __tablename__ = 'past_auctions'",
        ),
        (facts_that_act, "async def decided(tx):\n    tx.emit(1)", "async def decide(tx):\n    tx.emit(1)"),
        (
            facts_that_act,
            "async def _over(db):\n    db.run('… for update')",
            "async def over(db):\n    db.run('select')",
        ),
    ],
)
def test_a_name_that_breaks_a_rule_is_found(check, broken, sound) -> None:
    path = "services/x/handlers.py"
    assert len(list(check(path, broken))) == 1
    assert list(check(path, sound)) == []
