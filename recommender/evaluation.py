"""How good a model is, on awards it has not seen, and whether it may replace another.

Each award is a test of its own: its opportunity is ranked, and the award's supplier is looked for among the first k.
Nothing of the tested awards enters the counts, not even those of the awards before it.
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
    Decision,
    Figures,
    NewSupplierFigures,
    Opportunity,
    Rate,
    Split,
    SupplierProfile,
)

TEST_SHARE = 0.2
HEAD_SHARE = 0.5
"""The head of the market is the fewest suppliers that together won this share of the history."""

Ranking = Callable[[Opportunity], list[str]]


class DifferentSplit(ValueError):
    """Figures measured on different awards, or with another k, say nothing about each other."""

    code = "different-split"


class Retraining(Struct, frozen=True):
    """The model to use from now on, over the whole history, and why it is this one."""

    model: Model
    decision: Decision


def evaluate(model: Model, awards: Sequence[Award], k: int = 10) -> Figures:
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
    return Figures(
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
    """What a supplier without history would be offered, had it declared the category, or the place, of its first award.

    Tests are its later awards for other opportunities; the k are chosen among all different opportunities of `awards`.
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


def promote(candidate: Figures, incumbent: Figures) -> Decision:
    """May the candidate replace the incumbent? Only if it is not worse, and beats every baseline.

    Compared by hit rate, then by mean reciprocal rank. Raises DifferentSplit.
    """
    if candidate.split != incumbent.split:
        raise DifferentSplit(f"candidate measured on {candidate.split}, incumbent on {incumbent.split}")
    mine, theirs = candidate.all, incumbent.all
    if _order(mine) < _order(theirs):
        text = f"Worse than the model in use: {_beside(mine, theirs)}"
        return Decision(False, "worse_than_incumbent", text, mine, theirs)
    for name, baseline in candidate.baselines.items():
        if _order(mine) < _order(baseline):
            text = f"Worse than the baseline {name}: {_beside(mine, baseline)}"
            return Decision(False, "worse_than_baseline", text, mine, baseline)
    text = f"Not worse than the model in use: {_beside(mine, theirs)}"
    return Decision(True, "not_worse", text, mine, theirs)


def _beside(mine: Rate, theirs: Rate) -> str:
    """The measure that decided, in words."""
    if mine.hr != theirs.hr:
        return f"hit rate {mine.hr:.3f} against {theirs.hr:.3f}"
    return f"the same hit rate {mine.hr:.3f}, mean 1/rank {mine.mrr:.3f} against {theirs.mrr:.3f}"


def split_by_time(awards: Sequence[Award], test_share: float = TEST_SHARE) -> tuple[list[Award], list[Award]]:
    """The earlier and the later part; `test_share` of the awards are in the later."""
    ordered = in_time_order(awards)
    cut = len(ordered) - round(len(ordered) * test_share)
    return ordered[:cut], ordered[cut:]


def retrain(awards: Sequence[Award], now: dt.date, incumbent: Model | None = None, k: int = 10) -> Retraining:
    """Train on the earlier awards, measure on the later, and take the better ranker over the whole history.

    The incumbent's ranker (without one: the plain evidence, unlearned) is measured over the same earlier awards, so
    that only what was learned is compared. Where its training saw some of the later awards, this favours the incumbent.
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
    """What anybody would do without a model: the most frequent winners overall, in the category, in its region."""
    overall: Counter[str] = Counter()
    by_category: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_place: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for award, description in zip(history.awards, history.descriptions, strict=True):
        overall[award.supplier] += 1
        by_category[description.category][award.supplier] += 1
        by_place[description.category, description.region][award.supplier] += 1

    popular = [supplier for supplier, _ in overall.most_common(k)]

    def filled(*circles: Counter[str]) -> list[str]:
        # the narrow circle first; where it has fewer than k, the wider one fills up, at last the whole market
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
    """Equal descriptions are ranked once."""
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
    """Suppliers outside the head."""
    order = np.argsort(-history.wins, kind="stable")
    head = int(np.searchsorted(np.cumsum(history.wins[order]), HEAD_SHARE * len(history.awards))) + 1
    return {history.suppliers[at] for at in order[head:]}


def _rank(ranked: Sequence[str], supplier: str) -> int:
    """1 for the first place; 0 when absent."""
    return ranked.index(supplier) + 1 if supplier in ranked else 0


def _rate(ranks: Sequence[int], weights: Sequence[float] | None = None) -> Rate:
    """`ranks` as `_rank` gives them; with weights, n is their sum (of tenders: how many)."""
    if not ranks:
        return Rate(0, 0.0, 0.0)
    found: Floats = np.array(ranks, dtype=np.float64)
    weight: Floats = np.ones(len(ranks)) if weights is None else np.array(weights)
    hits = found > 0
    reciprocal = np.divide(1.0, found, out=np.zeros_like(found), where=hits)
    return Rate(
        round(float(weight.sum())),
        float(np.average(hits, weights=weight)),
        float(np.average(reciprocal, weights=weight)),
    )


def _order(rate: Rate) -> tuple[float, float]:
    return rate.hr, rate.mrr


def _fingerprint(awards: Sequence[Award]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(awards))).hexdigest()[:16]
