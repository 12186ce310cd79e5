"""Say in the reader's language why something is recommended.

A recommendation carries its reasons as English sentences (``recommender.reasons.SENTENCES``), in events and in letters
that wait. This module recognises each sentence by its form and translates it. A sentence with an unknown form, for
example from an older release, stays in English.
"""

import re
from collections.abc import Callable

from infra.web.languages import ENGLISH, gettext, ngettext, spoken

Said = Callable[[re.Match[str]], str]


def in_language(reason: str) -> str:
    """Translate ``reason``, a sentence from a recommendation."""
    if spoken() != ENGLISH:
        for form, said in FORMS:
            if found := form.fullmatch(reason):
                return said(found)
    return reason


def _won_category(found: re.Match[str]) -> str:
    words = ngettext(
        "You won %(num)s contract in category %(category)s",
        "You won %(num)s contracts in category %(category)s",
        int(found[1]),
    )
    return words % {"num": found[1], "category": found[2]}


def _won_for_buyer(found: re.Match[str]) -> str:
    words = ngettext("%(buyer)s bought from you %(num)s time", "%(buyer)s bought from you %(num)s times", int(found[2]))
    return words % {"buyer": found[1], "num": found[2]}


def _won_in_region(found: re.Match[str]) -> str:
    words = ngettext(
        "You won %(num)s contract in the region: %(region)s",
        "You won %(num)s contracts in the region: %(region)s",
        int(found[1]),
    )
    return words % {"num": found[1], "region": found[2]}


def _similar_suppliers(found: re.Match[str]) -> str:
    words = ngettext(
        "%(num)s supplier that won in your categories also won in category %(category)s",
        "%(num)s suppliers that won in your categories also won in category %(category)s",
        int(found[1]),
    )
    return words % {"num": found[1], "category": found[2]}


FORMS: tuple[tuple[re.Pattern[str], Said], ...] = (
    (re.compile(r"You won (\d+) contracts? in category (.+)"), _won_category),
    (re.compile(r"(.+) bought from you (\d+) times?"), _won_for_buyer),
    (re.compile(r"You won (\d+) contracts? in (.+)"), _won_in_region),
    (
        re.compile(r"You declared category (.+)"),
        lambda found: gettext("You declared category %(category)s", category=found[1]),
    ),
    (
        re.compile(r"You offer goods in category (.+)"),
        lambda found: gettext("You offer goods in category %(category)s", category=found[1]),
    ),
    (
        re.compile(r"You have been active in category (.+) before"),
        lambda found: gettext("You have been active in category %(category)s before", category=found[1]),
    ),
    (
        # the former release says "with wins in the same categories as you"
        re.compile(
            r"(\d+) suppliers? (?:that won in your categories|with wins in the same categor(?:ies|y) as you) also won in category (.+)"
        ),
        _similar_suppliers,
    ),
    (
        re.compile(r"It is in your region, (.+)"),
        lambda found: gettext("It is in your region, %(region)s", region=found[1]),
    ),
)
"""The order matters: the name of a region must not begin with the word “category”."""
