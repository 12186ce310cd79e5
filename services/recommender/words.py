"""Reasons in words for people: categories and regions by name."""

import re

from catalogue.categories import short_cpv
from catalogue.places import regions
from recommender import sentence
from recommender.values import Reason


def in_words(reason: Reason) -> str:
    values = dict(reason.values)
    if "category" in values:
        values["category"] = category_in_words(str(values["category"]))
    if "region" in values:
        values["region"] = region_in_words(str(values["region"]))
    return sentence(Reason(reason.code, values))


def category_in_words(category: str) -> str:
    """``CPV:33600000`` → ``Pharmaceutical products (CPV 33600000)``. A code of another scheme is returned unchanged."""
    scheme, _, code = category.rpartition(":")
    digits = code.partition("-")[0]
    named = f"{scheme} {code}".strip()
    if scheme.upper() != "CPV" or not digits.isdecimal() or not 2 <= len(digits) <= 8:
        return named
    name = short_cpv().name(digits)
    return named if name.isdecimal() else f"{name} ({named})"


def region_in_words(region: str) -> str:
    """``RU-MOW`` → ``Moskva``; a text that is not an ISO 3166-2 code is returned unchanged."""
    country, dash, _ = region.partition("-")
    return regions(country).get(region, region) if dash and len(country) == 2 else region


VERDICTS = {
    "worse_than_incumbent": "Worse than the model in use",
    "worse_than_baseline": "Worse than a simple baseline",
    "not_worse": "Not worse than the model in use",
}
"""Sentences about a new model, by the code of the decision."""
_MEASURED = re.compile(
    r"hit rate (?P<hr>\d\.\d+)(?: against (?P<theirs>\d\.\d+)|, mean 1/rank (?P<mrr>\d\.\d+) against (?P<other>\d\.\d+))"
)


def measured(sentence: str) -> dict[str, str]:
    """The numbers that a decision compared, read from its sentence."""
    found = _MEASURED.search(sentence)
    return {name: value for name, value in found.groupdict().items() if value} if found else {}
