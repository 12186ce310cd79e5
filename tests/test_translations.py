"""The catalogues and the letters in Spanish and Russian use the words of docs/translations.md, one for each thing."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from infra.web.languages import catalog, catalogs

PROJECT = Path(__file__).parent.parent
LETTERS = PROJECT / "services/notifications/messages"
COLUMNS = {"es": (1, 2), "ru": (3, 4)}
"""The columns with the word of each language, and with those that are not used instead."""

OTHER_THINGS = {
    ("ru", "строк-", "This line cannot be read just now."),
    ("ru", "строк-", "evidence-missing"),
    ("ru", "строк-", "evidence-missing: least"),
    ("ru", "строк-", "The rule or the line of the description that you mean."),
    ("ru", "строк-", "Addresses, documents, lines of the log. Only the moderator reads this."),
    ("ru", "строк-", "One per line; the proposer reads them and can correct the card."),
    ("ru", "строк-", "One release per line, in JSON Lines."),
}
"""Texts in which a word that is not used for its thing means another one: here a line of a text."""

ASIDE = re.compile(r"\s*\([^)]*\)")
NO_WORDS = re.compile(r"%\(\w+\)s|\{\w*\}|<[^>]*>")
"""Numbers and tags in a text, such as ``%(sku)s`` and a link to ``/catalogue/skus``."""


class Thing(NamedTuple):
    english: tuple[str, ...]
    word: str
    unused: tuple[str, ...]


def things(language: str) -> list[Thing]:
    """Return the rows of the table, with the columns of one language."""
    rows = re.findall(r"^\| (.*) \|$", (PROJECT / "docs/translations.md").read_text(encoding="utf-8"), re.MULTILINE)
    split = [[ASIDE.sub("", cell).strip() for cell in re.split(r"\s*\|\s?", row)] for row in rows]
    word, unused = COLUMNS[language]
    return [
        Thing(tuple(row[0].split(", ")), row[word], tuple(each for each in row[unused].split(", ") if each))
        for row in split[2:]
    ]


def matching(word: str) -> re.Pattern[str]:
    """Match a word of the table: whole, or any that begins so if it ends in a hyphen."""
    parts = (re.escape(part.removesuffix("-")) + (r"\w*" if part.endswith("-") else "") for part in word.split())
    return re.compile(r"\b" + r"\s+".join(parts) + r"\b", re.IGNORECASE)


def names(english: str, thing: Thing) -> bool:
    """Say whether an English text, or the code of a rule, names the thing."""
    return any(re.search(rf"\b{re.escape(each)}", english, re.IGNORECASE) for each in thing.english)


def misused(english: str, text: str, table: list[Thing]) -> Iterator[str]:
    """Yield each word of a text that does not stand for the thing it is used for.

    A word that is itself the word of another thing is right where the English names that other thing, and in every
    text that does not name this one.
    """
    plain = NO_WORDS.sub("", text)
    for thing in table:
        for word in thing.unused:
            if matching(word).search(plain):
                others = [each for each in table if each is not thing and matching(word).search(each.word)]
                if not others or (names(english, thing) and not any(names(english, each) for each in others)):
                    yield word


def entries(language: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, English and translation of each text in the catalogues and the letters."""
    for path in catalogs(language):
        for message in catalog(path, language):
            if message.id:
                place = f"{path.relative_to(PROJECT)}:{message.lineno}"
                yield place, _all_forms(message.id), _all_forms(message.string)
    english, told = (dict(_texts(tomllib.loads((LETTERS / f"{each}.toml").read_text()))) for each in ("en", language))
    yield from ((f"{language}.toml: {key}", english[key], text) for key, text in told.items())


def _all_forms(words: str | Sequence[str]) -> str:
    return words if isinstance(words, str) else "\n".join(words)


def _texts(letters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in letters.items():
        if isinstance(value, dict):
            yield from _texts(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)


@pytest.mark.parametrize("language", COLUMNS)
def test_one_thing_has_one_word(language: str) -> None:
    table = things(language)
    found = {
        (place, word, english) for place, english, told in entries(language) for word in misused(english, told, table)
    }
    wrong = [each for each in sorted(found) if (language, *each[1:]) not in OTHER_THINGS]
    assert not wrong, "the words are in docs/translations.md"
    left = {each for each in OTHER_THINGS if each[0] == language} - {(language, *each[1:]) for each in found}
    assert not left, "an exception that no text needs any more"


def test_each_thing_has_a_word_in_each_language() -> None:
    for language in COLUMNS:
        assert len(things(language)) > 40 and all(each.word for each in things(language))


def test_a_word_of_another_thing_is_found_only_where_it_stands_for_this_one() -> None:
    spanish, russian = things("es"), things("ru")
    assert list(misused("Step of a bid", "Escalón de una oferta", spanish)) == ["ofert-"]
    assert list(misused("nobody-bid", "Terminó sin ofertas.", spanish)) == ["ofert-"]
    assert list(misused("Offers and bids", "Ofertas y pujas", spanish)) == []
    assert list(misused("Enrol until", "Adhesión hasta", spanish)) == ["adhesi-"]
    assert list(misused("sealed first bids", "primeras pujas cerradas", spanish)) == ["cerrad-"]
    assert list(misused("closed", "cerrada", spanish)) == []
    assert list(misused("The other side agrees.", "Стороны договорились, %(sku)s.", russian)) == []
    assert list(misused("Your appeal", "Ваша жалоба", russian)) == ["жалоб-"]
