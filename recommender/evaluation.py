"""Measures a model on awards that it has not seen, and decides whether it may replace another.

Each award is a separate test: suppliers are ranked for its opportunity, and the winner is searched among the first k.
The tested awards are not counted in the history, not even those before the award under test.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from recommender.features import Description, describe
from recommender.history import Floats, History, last_date
from recommender.model import Model, in_time_order
from recommender.ranking import Ranker, learn
from recommender.values import (
    Award,
    HitRate,
    ModelDecision,
    ModelFigures,
    NewSupplierFigures,
    Opportunity,
    Split,
    SupplierProfile,
)

TEST_SHARE = 0.2
HEAD_SHARE = 0.5
"""The head of the market is the smallest group of suppliers that together won this share of the history."""

Ranking = Callable[[Opportunity], list[str]]


class DifferentSplit(ValueError):
    """Figures that were measured on different awards, or with different k, cannot be compared."""

    code = "different-split"


class Retraining(Struct, frozen=True):
    """The model to use from now on, over the whole history, and why it was chosen."""

    model: Model
    decision: ModelDecision


def evaluate(model: Model, awards: Sequence[Award], k: int = 10) -> ModelFigures:
    """Figures of `model` on `awards`, with the baselines' figures on the same awards. The model is not changed."""
    history = model.history
    ranking = _ranked_once(lambda opportunity: [one.supplier for one in model.rank_suppliers(opportunity, k)])
    ranks = [_rank(ranking(award.opportunity), award.supplier) for award in awards]
    known = [award.supplier in history.index for award in awards]
    tail = _long_tail(history)
    in_tail = [award.supplier in tail for award in awards]
    tenders = Counter(award.tender for award in awards if award.tender)
    weights = [1.0 / tenders.get(award.tender, 1) for award in awards]
    places = Counter(supplier for opportunity in _distinct(awards) for supplier in ranking(opportunity))
    return ModelFigures(
        split=Split(k, len(awards), _fingerprint(awards)),
        all=_rate(ranks),
        known=_rate([rank for rank, keep in zip(ranks, known, strict=True) if keep]),
        per_tender=_rate(ranks, weights),
        long_tail=_rate([rank for rank, keep in zip(ranks, in_tail, strict=True) if keep]),
        long_tail_share=sum(n for supplier, n in places.items() if supplier in tail) / max(places.total(), 1),
        coverage=len(places) / max(len(history.suppliers), 1),
        baselines={
            name: _rate([_rank(baseline(award.opportunity), award.supplier) for award in awards])
            for name, baseline in _baselines(history, k).items()
        },
    )


def evaluate_new_suppliers(model: Model, awards: Sequence[Award], k: int = 10) -> NewSupplierFigures:
    """Measure the lists of suppliers without history, as if each had declared the category, or the place, of its first
    award.

    The tests are its later awards for other opportunities; the k best are chosen among all distinct opportunities of
    `awards`.
    """
    won: dict[str, list[Opportunity]] = defaultdict(list)
    for award in in_time_order(awards):
        if award.supplier not in model.history.index:
            won[award.supplier].append(award.opportunity)
    market = _distinct(awards)
    by_category: list[int] = []
    by_region: list[int] = []
    for supplier, (first, *later) in won.items():
        seen = describe(first)
        others = [one for one in later if describe(one) != seen]
        if not others:
            continue
        offered = [one for one in market if describe(one) != seen]
        for ranks, profile in (
            (by_category, SupplierProfile(supplier_id=supplier, declared=(first.category,))),
            (by_region, SupplierProfile(supplier_id=supplier, region=first.region)),
        ):
            shown = [describe(one.opportunity) for one in model.recommend(profile, offered, k)]
            ranks += [shown.index(describe(one)) + 1 if describe(one) in shown else 0 for one in others]
    return NewSupplierFigures(_rate(by_category), _rate(by_region))


def promote(candidate: ModelFigures, incumbent: ModelFigures) -> ModelDecision:
    """Decide whether the candidate may replace the incumbent: only if it is not worse and beats every baseline.

    They are compared by hit rate, then by mean reciprocal rank. Raise DifferentSplit.
    """
    if candidate.split != incumbent.split:
        raise DifferentSplit(f"candidate measured on {candidate.split}, incumbent on {incumbent.split}")
    mine, theirs = candidate.all, incumbent.all
    if _order(mine) < _order(theirs):
        text = f"Worse than the model in use: {_beside(mine, theirs)}"
        return ModelDecision(False, "worse_than_incumbent", text, mine, theirs)
    for name, baseline in candidate.baselines.items():
        if _order(mine) < _order(baseline):
            text = f"Worse than the baseline {name}: {_beside(mine, baseline)}"
            return ModelDecision(False, "worse_than_baseline", text, mine, baseline)
    text = f"Not worse than the model in use: {_beside(mine, theirs)}"
    return ModelDecision(True, "not_worse", text, mine, theirs)


def _beside(mine: HitRate, theirs: HitRate) -> str:
    """The figures by which :func:`promote` decided, in words."""
    if mine.hr != theirs.hr:
        return f"hit rate {mine.hr:.3f} against {theirs.hr:.3f}"
    return f"the same hit rate {mine.hr:.3f}, mean 1/rank {mine.mrr:.3f} against {theirs.mrr:.3f}"


def split_by_time(awards: Sequence[Award], test_share: float = TEST_SHARE) -> tuple[list[Award], list[Award]]:
    """The earlier and the later part; the later part has the share `test_share` of the awards."""
    ordered = in_time_order(awards)
    cut = len(ordered) - round(len(ordered) * test_share)
    return ordered[:cut], ordered[cut:]


def retrain(awards: Sequence[Award], now: dt.date, incumbent: Model | None = None, k: int = 10) -> Retraining:
    """Train on the earlier awards, measure on the later ones, and return the better ranker over the whole history.

    The incumbent's ranker (if there is none: the plain evidence without learning) is measured over the same earlier
    awards, so that only what was learned is compared. If its training saw some of the later awards, this favours the
    incumbent.
    """
    earlier, later = split_by_time(awards)
    past = History(earlier, last_date(earlier))
    candidate = Model(past, learn(earlier))
    defender = Model(past, incumbent.ranker if incumbent else Ranker())
    figures, defended = evaluate(candidate, later, k), evaluate(defender, later, k)
    decision = promote(figures, defended)
    chosen, measured = (candidate, figures) if decision.promoted else (defender, defended)
    model = chosen.with_figures(measured, evaluate_new_suppliers(chosen, later, k)).over(awards, now)
    return Retraining(model, decision)


def _baselines(history: History, k: int) -> dict[str, Ranking]:
    """Rankings without a model: the most frequent winners overall, in the category, and in the region."""
    overall: Counter[str] = Counter()
    by_category: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_place: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for award, description in zip(history.awards, history.descriptions, strict=True):
        overall[award.supplier] += 1
        by_category[description.category][award.supplier] += 1
        by_place[description.category, description.region][award.supplier] += 1

    popular = [supplier for supplier, _ in overall.most_common(k)]

    def filled(*circles: Counter[str]) -> list[str]:
        # The suppliers of the narrow circle come first. If they are fewer than k, those of the wider circles follow,
        # and those of the whole market come last.
        chosen = dict.fromkeys(supplier for circle in circles for supplier, _ in circle.most_common(k))
        return list(chosen | dict.fromkeys(popular))[:k]

    def in_region(opportunity: Opportunity) -> list[str]:
        at = describe(opportunity)
        return filled(by_place[at.category, at.region], by_category[at.category])

    return {
        "popularity": lambda _: popular,
        "category": _ranked_once(lambda one: filled(by_category[describe(one).category])),
        "category_in_region": _ranked_once(in_region),
    }


def _ranked_once(ranking: Ranking) -> Ranking:
    """A ranking function that computes equal descriptions only once."""
    remembered: dict[Description, list[str]] = {}

    def ranked(opportunity: Opportunity) -> list[str]:
        description = describe(opportunity)
        if description not in remembered:
            remembered[description] = ranking(opportunity)
        return remembered[description]

    return ranked


def _distinct(awards: Iterable[Award]) -> list[Opportunity]:
    return list({describe(award.opportunity): award.opportunity for award in awards}.values())


def _long_tail(history: History) -> set[str]:
    """The suppliers outside the head of the market."""
    order = np.argsort(-history.wins, kind="stable")
    head = int(np.searchsorted(np.cumsum(history.wins[order]), HEAD_SHARE * len(history.awards))) + 1
    return {history.suppliers[at] for at in order[head:]}


def _rank(ranked: Sequence[str], supplier: str) -> int:
    """The place of the supplier: 1 is the first, 0 means absent."""
    return ranked.index(supplier) + 1 if supplier in ranked else 0


def _rate(ranks: Sequence[int], weights: Sequence[float] | None = None) -> HitRate:
    """`ranks` are results of `_rank`. With weights, n is their sum (for tenders: their number)."""
    if not ranks:
        return HitRate(0, 0.0, 0.0)
    found: Floats = np.array(ranks, dtype=np.float64)
    weight: Floats = np.ones(len(ranks)) if weights is None else np.array(weights)
    hits = found > 0
    reciprocal = np.divide(1.0, found, out=np.zeros_like(found), where=hits)
    return HitRate(
        round(float(weight.sum())),
        float(np.average(hits, weights=weight)),
        float(np.average(reciprocal, weights=weight)),
    )


def _order(rate: HitRate) -> tuple[float, float]:
    return rate.hr, rate.mrr


def _fingerprint(awards: Sequence[Award]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(awards))).hexdigest()[:16]
