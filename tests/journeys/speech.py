"""Finds texts of a page that are still in English although its reader chose another language.

English is recognised by its small words and by the catalog: a text that is the English of an entry whose translation
differs. Texts that people wrote may be in any language, and are removed first. CPV titles are in English, and marked as
such.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec

from infra.web.languages import catalog, catalogs
from services import NAMES as SERVICES
from tests.market import Market

SAID = """() => {
    const spoken = document.documentElement.lang;
    const apart = (element) => element.closest("script, style, code, pre, textarea") || element.closest("[lang]").lang !== spoken;
    const pieces = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (!apart(walker.currentNode.parentElement)) pieces.push(walker.currentNode.data);
    for (const name of ["title", "aria-label", "placeholder", "alt", "data-label", "data-over"])
        for (const element of document.querySelectorAll(`[${name}]`)) if (!apart(element)) pieces.push(element.getAttribute(name));
    return [...new Set(pieces.map((piece) => piece.replace(/\\s+/g, " ").trim()).filter((piece) => /[a-z]{2}|\\d{4}-\\d/i.test(piece)))];
}"""
"""Script that returns every visible or audible text of a page, except those marked as being in another language."""
ENGLISH_DATE = re.compile(r"\b\d{4}-\d\d(?:-\d\d)?(?![\w-])")
OWN_DATE = re.compile(r"\b\d{1,2} [a-z]{3,4} \d{4}\b")
"""A date as on Spanish pages, on which May is “may”."""
ASKED = "2027-01-31"
"""The example of a typed date, which is the same in every language."""
SMALL_WORDS = re.compile(
    r"\b(?:the|of|and|is|are|was|were|with|for|from|by|to|not|this|that|these|your|you|its|it|has|have|been|what|which|who|when|where"
    r"|then|than|there|their|they|each|every|all|any|only|more|most|other|until|before|after|yet|will|can|may|must|at|on|or|nothing)\b",
    re.IGNORECASE,
)
PLACEHOLDERS_AND_NUMBERS = re.compile(r"%\(\w+\)s|[\d.,:\s\u00a0\u202f-]+")


def bare(words: str) -> str:
    """The words without numbers and placeholders."""
    return PLACEHOLDERS_AND_NUMBERS.sub(" ", words).strip().lower()


@cache
def translated(language: str) -> frozenset[str]:
    """English entries whose translation differs."""
    words, kept = set(), set()
    for path in catalogs(language):
        for message in catalog(path, language):
            english = message.id if isinstance(message.id, tuple) else (message.id,)
            own = message.string if isinstance(message.string, tuple) else (message.string,)
            words |= {bare(each) for each in english}
            kept |= {bare(each) for each in own}
    return frozenset(words - kept - {""})


async def written_by_people(market: Market, more: Iterable[str]) -> list[str]:
    """Names, titles and texts of people in all events, and those that are sealed or in no event; longest first."""
    found = {" ".join(each.split()) for each in more}
    for service in SERVICES:
        for row in await market.fetch(f"select data from {service}.outbox"):
            told = strings(msgspec.json.decode(row["data"]))
            found |= {each for each in told if re.search("[a-z] [a-z]", each, re.IGNORECASE)}
    return sorted(found, key=len, reverse=True)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield " ".join(value.split())
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in MARKETS_OWN:
                yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


MARKETS_OWN = {"sentence", "told"}
"""Fields of events with texts of the market itself."""


def left_in_english(pieces: Iterable[str], language: str, people: Iterable[str]) -> list[str]:
    """The texts that are in English, or have a date in the English form, without what people wrote in them."""
    return [
        piece for piece in pieces if _is_english(piece, language) and _is_english(_without(piece, people), language)
    ]


def _is_english(piece: str, language: str) -> bool:
    dates = ENGLISH_DATE.search(piece.replace(ASKED, ""))
    words = SMALL_WORDS.search(OWN_DATE.sub(" ", piece))
    return dates is not None or words is not None or bare(piece) in translated(language)


def _without(piece: str, people: Iterable[str]) -> str:
    for words in people:
        piece = re.sub(rf"(?<!\w){re.escape(words)}(?!\w)", " ", piece)
    return piece
