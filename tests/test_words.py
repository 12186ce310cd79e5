"""Texts for people and names in the code use none of the words that docs/words.md bans, and docstrings begin with a
noun or a verb."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.names import nodes, parsed

PROJECT = Path(__file__).parent.parent
ROOMS = ("catalogue", "docs", "events", "infra", "recommender", "services", "tests")
KINDS = {".html", ".js", ".md", ".po", ".py", ".toml"}
LISTS = {"docs/words.md", "tests/test_words.py"}
"""The files that name the banned words."""

ROW = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
NAME = re.compile(r"\b(?=\w*[a-zA-Z])\w*(?:_[a-zA-Z]|[a-z][A-Z])\w*")
"""A name of several words: ``test_whoever_asks``, ``WhoeverAsks``."""
PREPOSITION = re.compile(r"(?:Of|Those|By)\s")
RAISES = re.compile(r"\bR(?:aises|e-raises)\b|(?:\b[Ee]lse,?|;)\s+raises\b|\bIf\s[^.,]*,\s+raises\b")
"""A sentence about an error without a subject and not in the form "Raise X if …"."""
QUOTED = re.compile(rf"[\"'](?:\s|\\[a-z\n])*{PREPOSITION.pattern}")
"""A text in quotes that begins with one of them. Files without any are not parsed."""


def banned() -> re.Pattern[str]:
    """Match each word in the first column of the table in docs/words.md.

    A sentence such as "Told." matches only as a whole sentence, so that an attribute of a class ``Told`` does not.
    """
    table = (PROJECT / "docs/words.md").read_text().partition("## Words that are not used")[2]
    _, *cells = ROW.findall(table)
    words = [word for cell in cells for word in cell.split(", ")]
    assert "weather" in words and "Told." in words
    sentences = [re.escape(word.removesuffix(".")) for word in words if word.endswith(".")]
    others = [re.escape(word).replace(r"\ ", "[ -]") for word in words if not word.endswith(".")]
    return re.compile(rf"\b(?i:{'|'.join(others)})\b|(?<!\w)(?:{'|'.join(sentences)})\.(?!\w)")


def texts() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file in the rooms."""
    found = [PROJECT / "README.md", *(path for room in ROOMS for path in sorted((PROJECT / room).rglob("*")))]
    for path in found:
        name = str(path.relative_to(PROJECT))
        if path.suffix in KINDS and name not in LISTS:
            yield name, path.read_text(encoding="utf-8")


def apart(name: str) -> str:
    """Return the words of a name in the code, with blanks between them."""
    return re.sub(r"_+|(?<=[a-z0-9])(?=[A-Z])", " ", name)


def docstrings(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every docstring, also of those below a constant or a field."""
    for each in nodes(parsed(text), ast.Expr):
        if isinstance(each.value, ast.Constant) and isinstance(each.value.value, str):
            yield each.lineno, each.value.value.strip()


def test_no_text_has_a_banned_word() -> None:
    words = banned()
    for sample in ('"Told. The buyer accepts it."', "# whoever asks", "due first first", 'code = "taken-back"'):
        assert words.search(sample)
    for sample in ("Told.by", "said.", "brainstorm", "He knew. He told. Then he left", "it says: Said nothing."):
        assert not words.search(sample)
    found = [
        f"{name}:{number}: {match[0]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        for match in words.finditer(line)
    ]
    assert not found


def test_no_name_in_the_code_has_a_banned_word() -> None:
    words = banned()
    for sample in (
        "test_whoever_asks_gets_one",
        "WhoeverAsks",
        "_first_first",
        "BREATH_SECONDS",
        "isTold",
        "MOST_TAKEN_BACK",
    ):
        assert NAME.fullmatch(sample) and words.search(apart(sample))
    for sample in ("brainstorm_first", "Told_by", "breathe_in", "first_seen_first", "StoredFigures"):
        assert NAME.fullmatch(sample) and not words.search(apart(sample))
    names = {path: set(NAME.findall(text)) for path, text in texts() if path.endswith((".py", ".html"))}
    wrong = {name for name in set().union(*names.values()) if words.search(apart(name))}
    assert not [f"{path}: {name}" for path, there in names.items() for name in sorted(there & wrong)]


def test_no_docstring_begins_with_a_preposition_or_a_pronoun() -> None:
    assert (
        PREPOSITION.match("Of one's own") and PREPOSITION.match("Those that\nwait") and not PREPOSITION.match("Offer")
    )
    for sample in ('"""Of one\'s own."""', 'r"""Those that\nwait"""', '"""\n    By law"""', '"""\\\nOf it"""'):
        assert QUOTED.search(sample)
    found = [
        f"{name}:{line}: {text[:60]}"
        for name, content in texts()
        if name.endswith(".py") and QUOTED.search(content)
        for line, text in docstrings(content)
        if PREPOSITION.match(text)
    ]
    assert not found


def test_a_docstring_says_raise_and_not_raises() -> None:
    for sample in (
        "Raises Missing.",
        "A unit; raises Missing.",
        "Else raises\nMissing.",
        "If it is gone, raises Missing.",
    ):
        assert RAISES.search(sample)
    for sample in ("Raise Missing if it is gone.", "Raise what :func:`find` raises.", "It raises Missing."):
        assert not RAISES.search(sample)
    found = [
        f"{name}:{line}: {match[0]}"
        for name, content in texts()
        if name.endswith(".py") and RAISES.search(content)
        for line, text in docstrings(content)
        for match in RAISES.finditer(text)
    ]
    assert not found
