"""Names follow docs/words.md: one word for one thing, and verbs for functions that act."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest

from events.topics import TOPICS
from tests.names import nodes, parsed
from tests.rooms import PROJECT, SHOWN, files, shown_files

NOT_OF_AUCTIONS = ("infra/", "services/accounts/", "services/notifications/post.py")
"""Files about sessions that are not auctions: those of databases, Kafka consumers, logins and mail servers."""
SESSION = re.compile(r"(?<![\w.])[Ss]essions?\b(?!\.\w)")
"""The word in a text; not an attribute such as ``tx.session``, and not a table such as ``transparency.sessions``."""
KEPT = {"sessions"}
"""Names of tables that the former release reads."""
ONE_THING = {
    "EcoLabel": "the label of an offer, in the rules and in the events",
    "Place": "a place of delivery, in the rules and in the events",
}
"""Class names with two declarations, and the one thing that both describe."""
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


def texts_of_sessions(path: str, source: str) -> Iterator[str]:
    """Lines of code, docstrings and pages that call an auction a session."""
    other = path.startswith(NOT_OF_AUCTIONS) and not (path.startswith("infra/") and path.endswith(SHOWN))
    if not other and "/migrations/" not in path:
        for line in source.splitlines():
            if SESSION.search(line) and line.strip() != '__tablename__ = "sessions"':
                yield f"{path}: {line.strip()}"


def facts_that_act(path: str, source: str) -> Iterator[str]:
    """Coroutines that write, lock or emit events but are named like facts."""
    for node in nodes(parsed(source), ast.AsyncFunctionDef):
        if FACT.fullmatch(node.name.strip("_").partition("_")[0]) and ACTS.search(ast.unparse(node)):
            yield f"{path}: {node.name}"


def declared_twice(classes: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Class names, with the files, that stand for several things. The row of a service's own table or replica has the
    name of what it is a row of, in each service."""
    found = defaultdict(list)
    for path, name in classes:
        if not (name.endswith("Row") and "/store" in path) and name not in ONE_THING:
            found[name].append(path)
    yield from (f"{name}: {', '.join(paths)}" for name, paths in sorted(found.items()) if len(paths) > 1)


def classes() -> Iterator[tuple[str, str]]:
    """The file and the name of each class that other modules may import."""
    for path in files():
        if "/migrations/" not in path:
            for node in parsed((PROJECT / path).read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield path, node.name


def types_declared_twice(sources: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lists of the same texts, such as buyer and supplier, to which several modules give a name."""
    found = defaultdict(list)
    for path, source in sources:
        for node in parsed(source).body:
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id="Literal")) as texts
                ):
                    found[ast.unparse(texts)].append(f"{path}: {name}")
    yield from (", ".join(declared) for declared in found.values() if len(declared) > 1)


def of_all(check: object, paths: Iterable[str] | None = None) -> list[str]:
    assert callable(check)
    return [line for path in paths or files() for line in check(path, (PROJECT / path).read_text(encoding="utf-8"))]


def test_code_says_auction_for_an_auction() -> None:
    assert of_all(of_sessions) == []
    assert not [topic.name for topic in TOPICS if "session" in topic.name]


def test_a_class_name_stands_for_one_thing() -> None:
    assert list(declared_twice(classes())) == []


def test_a_class_name_for_two_things_is_found() -> None:
    twice = [("services/quotes/api.py", "Asked"), ("services/pools/api.py", "Asked")]
    rows = [("services/quotes/store/rows.py", "ContractRow"), ("services/pools/store/__init__.py", "ContractRow")]
    assert list(declared_twice([*twice, *rows, ("services/pools/api.py", "Reply")])) == [
        "Asked: services/quotes/api.py, services/pools/api.py"
    ]


def test_a_list_of_texts_has_one_name_in_one_module() -> None:
    assert list(types_declared_twice((path, (PROJECT / path).read_text(encoding="utf-8")) for path in files())) == []


def test_a_list_of_texts_with_two_names_is_found() -> None:
    party = 'Party = Literal["buyer", "supplier"]'
    side = party.replace("Party", "Side")
    assert list(types_declared_twice([("a.py", party), ("b.py", side), ("c.py", 'Kind = Literal["closure"]')])) == [
        "a.py: Party, b.py: Side"
    ]


def test_no_text_calls_an_auction_a_session() -> None:
    assert of_all(texts_of_sessions, [*files(), *shown_files()]) == []


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
        (texts_of_sessions, '"""Open a session."""', 'tx.session.add("transparency.sessions")'),
        (texts_of_sessions, '<div id="session">', '<div id="auction">'),
        (texts_of_sessions, "#session .live { margin: 0; }", "sessionStorage.clear();"),
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
