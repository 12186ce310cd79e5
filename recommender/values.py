"""What goes in and what comes out: frozen values, no behaviour, all of them writable as JSON or MessagePack."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct


class Opportunity(Struct, frozen=True, kw_only=True):
    """A purchase somebody may win. Empty text means unknown.

    `category` is a code of any hierarchical scheme (CPV, GSIN, UNSPSC, OKPD2), optionally `scheme:code`: a shared
    prefix means a shared branch. `id` is carried through for the caller and never looked at by the model.
    """

    buyer: str = ""
    region: str = ""
    city: str = ""
    category: str = ""
    method: str = ""
    title: str = ""
    id: str = ""


class Award(Struct, frozen=True, kw_only=True):
    """`supplier` (any stable identity) won `opportunity`; an undated award counts as one of the oldest.

    `tender` groups awards of one procedure (an OCDS ocid) for weighing in evaluation; it is never a feature.
    """

    supplier: str
    opportunity: Opportunity
    date: dt.date | None = None
    tender: str = ""


class SupplierProfile(Struct, frozen=True, kw_only=True):
    """What a supplier told about itself: categories declared at registration, categories of its standing offers.

    `active` are categories it showed most interest in by what it did (see `interest.strongest`).
    """

    supplier_id: str
    region: str = ""
    declared: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    active: tuple[str, ...] = ()


class Reason(Struct, frozen=True):
    """Why something is recommended: a code of `reasons.SENTENCES` and the values its sentence needs."""

    code: str
    values: dict[str, str | int]


class Scored(Struct, frozen=True):
    """A supplier with its score in 0..1: higher is likelier to win; comparable between opportunities."""

    supplier: str
    score: float


class Recommendation(Struct, frozen=True):
    """An opportunity for one supplier, with at least one reason, the strongest first."""

    opportunity: Opportunity
    score: float
    reasons: tuple[Reason, ...]


class Rate(Struct, frozen=True):
    """Of `n` tests: share with the true answer among the first k (`hr`), and mean of 1/rank there, else 0 (`mrr`)."""

    n: int
    hr: float
    mrr: float


class Split(Struct, frozen=True):
    """Which awards a figure was measured on; figures compare only when their splits are equal."""

    k: int
    awards: int
    fingerprint: str


class Figures(Struct, frozen=True):
    """How a model did on awards it had not seen.

    `known`: awards to suppliers of its history. `per_tender`: each tender weighs the same. `long_tail`: awards to known
    suppliers outside the head (the few that won half of the history); `long_tail_share`: part of all recommended
    places that went to them. `coverage`: share of the history's suppliers that were recommended at least once.
    """

    split: Split
    all: Rate
    known: Rate
    per_tender: Rate
    long_tail: Rate
    long_tail_share: float
    coverage: float
    baselines: dict[str, Rate]


class NewSupplierFigures(Struct, frozen=True):
    """Opportunities found for suppliers without history, by what they would have said of themselves."""

    by_category: Rate
    by_region: Rate


class Decision(Struct, frozen=True):
    """Whether a candidate replaces the incumbent: a rule's code, a sentence and the numbers compared."""

    promoted: bool
    code: str
    sentence: str
    candidate: Rate
    compared_with: Rate
