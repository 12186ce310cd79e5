"""Derives from an opportunity what is counted: the path of its category, its contexts, its search tokens."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from recommender.values import Opportunity

_WORD = re.compile(r"\w+")
_EIGHT_DIGITS = re.compile(r"\d{8}$")


@lru_cache(maxsize=2**16)  # the same buyers, places and titles occur many times
def fold(text: str) -> str:
    """The words of `text` in lower case, without accents or punctuation, separated by one space."""
    plain = "".join(
        c
        for c in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        if not unicodedata.combining(c)
    )
    return " ".join(_WORD.findall(plain))


@lru_cache(maxsize=2**16)
def category_path(category: str) -> tuple[str, ...]:
    """The prefixes of the code, shortest first: `N7030` gives N, N7, N70, N703, N7030.

    Punctuation is removed (dots in OKPD2), as is the check digit after the hyphen in CPV. The zeros that fill up an
    eight-digit code (CPV, UNSPSC) are not a level. Each prefix keeps its `scheme:`, so that schemes never mix.
    """
    scheme, _, code = category.strip().upper().rpartition(":")
    code = re.sub(r"[^0-9A-Z]", "", re.sub(r"^(\d{8})-\d$", r"\1", code))
    if _EIGHT_DIGITS.match(code):
        code = code.rstrip("0").ljust(2, "0")
    start = f"{scheme}:" if scheme else ""
    return tuple(start + code[:length] for length in range(1, len(code) + 1))


def shared_depth(path: tuple[str, ...], other: tuple[str, ...]) -> float:
    """The common part of two category paths, 0..1, relative to the shorter one (a branch fully fits its own leaves)."""
    shortest = min(len(path), len(other))
    common = sum(1 for mine, theirs in zip(path, other, strict=False) if mine == theirs)
    return common / shortest if shortest else 0.0


class Description(NamedTuple):
    """Everything that the model uses of an opportunity, folded and hashable. Equal descriptions get equal rankings."""

    path: tuple[str, ...]
    buyer: str
    region: str
    city: str
    method: str
    words: tuple[str, ...]

    @property
    def category(self) -> str:
        return self.path[-1] if self.path else ""

    @property
    def parent(self) -> str:
        return self.path[-2] if len(self.path) > 1 else self.category

    def contexts(self) -> tuple[tuple[str, ...], ...]:
        """The contexts in which winners are counted, each at every level of the category path; the first is the whole
        market."""
        return (
            ("market",),
            ("region", self.region),
            ("buyer", self.buyer),
            ("city", self.city),
            ("method", self.method),
            ("office", self.buyer, self.city),
            ("desk", self.buyer, self.city, self.method),
        )

    def tokens(self) -> list[str]:
        """Tokens that similar purchases share: the plain facts, and each category level combined with each of them."""
        facts = [f"b {self.buyer}", f"r {self.region}", f"c {self.city}", f"m {self.method}"]
        crossed = [f"{level} {fact}" for level in self.path for fact in ("", *facts)]
        leaf = [f"= {self.category}", f"= {self.category} {self.buyer} {self.region}"]
        return [*facts, *crossed, *leaf, *(f"w {word}" for word in self.words)]


def describe(opportunity: Opportunity) -> Description:
    """The description of an opportunity. It uses only buyer, place, category, method and title, not the id."""
    words = {word for word in fold(opportunity.title).split() if len(word) > 2}
    return Description(
        category_path(opportunity.category),
        fold(opportunity.buyer),
        fold(opportunity.region),
        fold(opportunity.city),
        fold(opportunity.method),
        tuple(sorted(words)),
    )
