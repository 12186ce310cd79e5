"""Input and output types: frozen values without behaviour, which can be written as JSON or MessagePack."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct


class Opportunity(Struct, frozen=True, kw_only=True):
    """A purchase that a supplier may win. An empty text means unknown.

    `category` is a code of any hierarchical scheme (CPV, GSIN, UNSPSC, OKPD2), optionally `scheme:code`: a shared
    prefix means a shared branch. `id` is for the caller; the model does not use it.
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

    `tender` groups awards of one procedure (an OCDS ocid) for weighing in evaluation; it is not a feature of the model.
    """

    supplier: str
    opportunity: Opportunity
    date: dt.date | None = None
    tender: str = ""


class SupplierProfile(Struct, frozen=True, kw_only=True):
    """What a supplier declared: the categories of its registration and of its current offers.

    `active` are the categories in which its acts showed most interest (see `interest.strongest`).
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
    """A supplier with its score in 0..1: a higher score means a higher probability to win. Scores of different
    opportunities can be compared."""

    supplier: str
    score: float


class RankedOpportunity(Struct, frozen=True):
    """An opportunity for one supplier, with at least one reason, the strongest first."""

    opportunity: Opportunity
    score: float
    reasons: tuple[Reason, ...]


class HitRate(Struct, frozen=True):
    """Results of `n` tests: the share with the true answer among the first k (`hr`), and the mean of 1/rank, or 0 if it
    is not there (`mrr`)."""

    n: int
    hr: float
    mrr: float


class Split(Struct, frozen=True):
    """Which awards a figure was measured on; figures can be compared only if their splits are equal."""

    k: int
    awards: int
    fingerprint: str


class ModelFigures(Struct, frozen=True):
    """Results of a model on awards that it had not seen.

    `known`: awards to suppliers in its history. `per_tender`: each tender has the same weight. `long_tail`: awards to
    known suppliers outside the head (the few that won half of the history); `long_tail_share`: their part of all
    recommended places. `coverage`: share of the history's suppliers that were recommended at least once.
    """

    split: Split
    all: HitRate
    known: HitRate
    per_tender: HitRate
    long_tail: HitRate
    long_tail_share: float
    coverage: float
    baselines: dict[str, HitRate]


class NewSupplierFigures(Struct, frozen=True):
    """Results for suppliers without history, by what they would have declared about themselves."""

    by_category: HitRate
    by_region: HitRate


class ModelDecision(Struct, frozen=True):
    """Whether a candidate replaces the incumbent: the code of the rule, a sentence and the numbers that were
    compared."""

    promoted: bool
    code: str
    sentence: str
    candidate: HitRate
    compared_with: HitRate
