"""One supplier, one key, however its name was typed.

Two names are the same supplier when they agree after: case and accents folded; `&`, "and" and punctuation left out;
legal forms dropped from the end (Inc, Ltd, Ltée, GmbH, S.A., ООО …) and "the" from the front; spaces removed, so
that "H.Q. Fine Foods Ltd." is "HQ Fine Foods Limited". Nothing cleverer: a wrong merge gives one company another's history.
Where a register has real identifiers, use those instead.
"""

from __future__ import annotations

import re

from recommender.features import fold

_SILENT = {"and", "et", "y", "und"}
_LEGAL = re.compile(
    r"ab|ag|aps|as|bv|bvba|cie|co|compagnie|company|corp|corporation|doo|eirl|gmbh|inc|incorporated|kft|kg|lda|"
    r"limitada|limited|limitee|llc|llp|lp|ltd|ltda|ltee|mbh|me|nv|oao|ooo|oy|plc|pte|pty|sa|sac|sapi|sarl|sas|"
    r"sl|slu|spa|spzoo|srl|sro|tbk|ulc|zao|ао|зао|ип|оао|ооо"
)


def supplier_key(name: str) -> str:
    """The identity of a supplier known by name only; empty for a name without a letter or digit."""
    # dots and apostrophes join what they split: "S.A." is "SA", "L'Oréal" is one word
    written = fold(re.sub(r"[.'’`]", "", name)).split()
    words = [word for word in written if word not in _SILENT] or written
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    while len(words) > 1 and _LEGAL.fullmatch(words[-1]):
        words.pop()
    return "".join(words)
