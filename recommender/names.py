"""One key for a supplier, for all spellings of its name.

Two names are the same supplier if they are equal after these steps: case and accents are folded; `&`, "and" and
punctuation are removed; legal forms are removed from the end (Inc, Ltd, Ltée, GmbH, S.A., ООО …) and "the" from the
start; spaces are removed. So "H.Q. Fine Foods Ltd." equals "HQ Fine Foods Limited". There is no fuzzier comparison,
because a wrong merge would give one company the history of another. If a register has real identifiers, use those
instead.
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
    """The key of a supplier that is known only by its name; empty if the name has no letter or digit."""
    # dots and apostrophes do not separate words: "S.A." is "SA", "L'Oréal" is one word
    written = fold(re.sub(r"[.'’`]", "", name)).split()
    words = [word for word in written if word not in _SILENT] or written
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    while len(words) > 1 and _LEGAL.fullmatch(words[-1]):
        words.pop()
    return "".join(words)
