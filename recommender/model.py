"""A trained model: a history and a ranker. It ranks suppliers for an opportunity and opportunities for a supplier."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice

import msgspec

from recommender import reasons
from recommender.features import Description, describe
from recommender.history import History
from recommender.ranking import CANDIDATES, Ranker, Scorer, candidates, learn
from recommender.values import (
    Award,
    ModelFigures,
    NewSupplierFigures,
    Opportunity,
    RankedOpportunity,
    Reason,
    Scored,
    SupplierProfile,
)

FORMAT = 1
_REMEMBERED = 4096


class UnreadableModel(ValueError):
    """The bytes are not a model in a format that this library reads."""

    code = "unreadable-model"


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    now: dt.date
    awards: tuple[Award, ...]
    ranker: Ranker
    figures: ModelFigures | None = None
    new_suppliers: NewSupplierFigures | None = None


class Model:
    """Immutable; equal inputs give equal answers. `figures` were measured on awards that its ranker had not seen."""

    def __init__(
        self,
        history: History,
        ranker: Ranker,
        figures: ModelFigures | None = None,
        new_suppliers: NewSupplierFigures | None = None,
    ) -> None:
        self.history = history
        self.ranker = ranker
        self.figures = figures
        self.new_suppliers = new_suppliers
        self._scorer = Scorer(ranker)
        # when digests are made, the same open opportunities are asked for once per supplier
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._rank)

    def rank_suppliers(self, opportunity: Opportunity, k: int = 10) -> list[Scored]:
        """The k most likely suppliers of the history, best first; fewer only if the history has fewer."""
        ranked = self._remembered(describe(opportunity), max(k, CANDIDATES))
        return [Scored(supplier, score) for supplier, score in islice(ranked.items(), k)]

    def recommend(
        self, supplier: SupplierProfile | str, opportunities: Iterable[Opportunity], k: int = 10
    ) -> list[RankedOpportunity]:
        """The k best-fitting of `opportunities`, best first; each has at least one reason that can be stated.

        A supplier with past awards is judged by them and by its profile; a new one only by its profile. Independent
        reasons are added as probabilities: 1 - (1 - a)(1 - b).
        """
        profile = SupplierProfile(supplier_id=supplier) if isinstance(supplier, str) else supplier
        found = (self._recommendation(profile, opportunity) for opportunity in opportunities)
        ordered = sorted((one for one in found if one), key=lambda one: (-one.score, one.opportunity.id))
        return ordered[:k]

    def over(self, awards: Sequence[Award], now: dt.date) -> Model:
        """The same ranker over another history, to compare two rankers fairly or to include new awards at once."""
        return Model(History(awards, now), self.ranker, self.figures, self.new_suppliers)

    def with_figures(self, figures: ModelFigures, new_suppliers: NewSupplierFigures) -> Model:
        return Model(self.history, self.ranker, figures, new_suppliers)

    def to_bytes(self) -> bytes:
        """Compressed MessagePack: awards and numbers only, no code. Indexes are rebuilt when it is read."""
        stored = _Stored(
            format=FORMAT,
            now=self.history.now,
            awards=self.history.awards,
            ranker=self.ranker,
            figures=self.figures,
            new_suppliers=self.new_suppliers,
        )
        return zlib.compress(msgspec.msgpack.encode(stored))

    @classmethod
    def from_bytes(cls, data: bytes) -> Model:
        """Read a model that `to_bytes` wrote. The source need not be trusted: nothing is executed. Raise
        UnreadableModel."""
        try:
            stored = msgspec.msgpack.decode(zlib.decompress(data), type=_Stored)
        except (zlib.error, msgspec.DecodeError) as error:
            raise UnreadableModel(f"not a recommender model: {error}") from error
        if stored.format != FORMAT:
            raise UnreadableModel(f"model format {stored.format}; this library reads format {FORMAT}: train again")
        try:
            return cls(History(stored.awards, stored.now), stored.ranker, stored.figures, stored.new_suppliers)
        except (ValueError, IndexError) as error:
            raise UnreadableModel(f"the model contradicts itself: {error}") from error

    def _rank(self, description: Description, count: int) -> dict[str, float]:
        if not self.history.suppliers:
            return {}
        evidence = self.history.evidence(description)
        chosen = candidates(evidence, count)
        scores = self._scorer.scores(evidence[chosen])
        order = (-scores).argsort(kind="stable")
        return {self.history.suppliers[chosen[at]]: float(scores[at]) for at in order}

    def _recommendation(self, profile: SupplierProfile, opportunity: Opportunity) -> RankedOpportunity | None:
        description = describe(opportunity)
        own = reasons.from_history(self.history, profile.supplier_id, opportunity, description)
        said = reasons.from_profile(profile, opportunity, description)
        why: list[tuple[float, Reason]] = [*own, *said]
        why += reasons.from_activity(profile, why, description)
        if not why:
            return None
        missed = 1.0
        if own:
            missed -= self._remembered(description, CANDIDATES).get(profile.supplier_id, 0.0)
        for chance, _ in why:
            missed *= 1.0 - chance
        # first the reasons from own contracts, in their order; then those from the profile
        return RankedOpportunity(opportunity, 1.0 - missed, tuple(reason for _, reason in why))


def train(awards: Sequence[Award], now: dt.date) -> Model:
    """Train a model on `awards` (in any order) as of `now`; `evaluation.retrain` adds the figures."""
    history = in_time_order(awards)
    return Model(History(history, now), learn(history))


def in_time_order(awards: Sequence[Award]) -> list[Award]:
    """The awards in order of time: undated ones first; awards of one day keep their order."""
    return sorted(awards, key=lambda award: award.date or dt.date.min)
