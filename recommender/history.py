"""The counts on which every score is based: who won what, where, for which buyer, and how long ago."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recommender.features import Description, describe
from recommender.values import Award

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HALF_LIFE_DAYS = 540.0
"""After this time an award counts half. Between 120 days and no decay the hit rate changed by less than 0.002."""
SMOOTHING = 4.0
"""The weight of the wider context, as a number of awards, when it is combined with a narrower one."""
NEIGHBOURS = 150
SHARPNESS = 6.0
"""The weight of a neighbour is its similarity, relative to that of the nearest one, raised to this power."""
FLOOR = 1e-7
_YEAR = 365.0
_LONG_AGO_YEARS = 9.0

PROBABILITIES = ("market", "region", "buyer", "city", "method", "office", "desk", "neighbours", "popularity")
"""The first columns of `History.evidence`: logarithms of probabilities over suppliers."""
COLUMNS = (*PROBABILITIES, "awards", "years_since_last", "years_since_category", "share_in_parent", "share_in_category")


def last_date(awards: Iterable[Award]) -> dt.date:
    """The day of the last award, which is used as "now" if no clock is given."""
    return max((award.date for award in awards if award.date), default=dt.date.min)


class History:
    """Awards up to `now`, indexed. Immutable after construction, which takes about a second for 20,000 awards.

    `suppliers` lists identities in order; all vectors below are parallel to it.
    """

    def __init__(self, awards: Sequence[Award], now: dt.date) -> None:
        self.awards = tuple(awards)
        self.now = dt.date.fromordinal(now.toordinal())
        self.suppliers = sorted({award.supplier for award in awards})
        self.index = {supplier: at for at, supplier in enumerate(self.suppliers)}
        oldest = min((award.date for award in awards if award.date), default=self.now)
        days = np.array([(award.date or oldest).toordinal() for award in awards], dtype=np.float64)
        self._winner: Ints = np.array([self.index[award.supplier] for award in awards], dtype=np.int64)
        self._years_ago: Floats = np.maximum(self.now.toordinal() - days, 0.0) / _YEAR
        self._weight: Floats = 0.5 ** (self._years_ago * _YEAR / HALF_LIFE_DAYS)

        size = len(self.suppliers)
        self.wins: Ints = np.bincount(self._winner, minlength=size)
        self._popularity: Floats = np.bincount(self._winner, self._weight, minlength=size).astype(np.float64)
        self._years_since: Floats = np.full(size, _LONG_AGO_YEARS)
        np.minimum.at(self._years_since, self._winner, self._years_ago)

        self.record: list[list[int]] = [[] for _ in self.suppliers]
        for at, winner in enumerate(self._winner):
            self.record[winner].append(at)
        self.descriptions = [describe(award.opportunity) for award in awards]
        self.category_wins: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._category_years: dict[str, dict[int, float]] = defaultdict(dict)
        for at, description in enumerate(self.descriptions):
            winner, years = int(self._winner[at]), float(self._years_ago[at])
            for level in description.path:
                self.category_wins[level][winner] += 1
            latest = self._category_years[description.category]
            latest[winner] = min(years, latest.get(winner, years))
        self._circles, circle_rows = _code(
            [(*context, level) for context in description.contexts() for level in ("", *description.path)]
            for description in self.descriptions
        )
        self._counts = _table(circle_rows, self._winner, self._weight, (len(self._circles), size))
        self._totals: Floats = np.asarray(self._counts.sum(axis=1), dtype=np.float64).ravel()

        self._tokens, token_rows = _code(dict.fromkeys(description.tokens()) for description in self.descriptions)
        documents = np.arange(len(awards), dtype=np.int64)
        self._postings = _table(
            token_rows, documents, np.ones(len(awards), dtype=np.float64), (len(self._tokens), len(awards))
        )
        frequency = np.diff(self._postings.indptr)
        self._rarity: Floats = np.log1p((len(awards) - frequency + 0.5) / (frequency + 0.5))

    def circle(self, context: tuple[str, ...], level: str) -> tuple[Ints, Floats, float]:
        """The suppliers (indices) that won in this context at this category level, their decayed counts, and the
        total."""
        row = self._circles.get((*context, level))
        if row is None:
            return np.empty(0, dtype=np.int64), np.empty(0), 0.0
        start, end = self._counts.indptr[row], self._counts.indptr[row + 1]
        return self._counts.indices[start:end], self._counts.data[start:end], float(self._totals[row])

    def popularity(self) -> Floats:
        """Each supplier's share of all awards; recent awards weigh more."""
        return self._popularity / max(float(self._popularity.sum()), FLOOR)

    def narrowed(self, belief: Floats, context: tuple[str, ...], levels: Iterable[str]) -> Floats:
        """`belief` (a distribution over suppliers) corrected by narrower and narrower contexts (Dirichlet
        smoothing)."""
        belief = belief.copy()
        for level in levels:
            winners, counts, total = self.circle(context, level)
            belief *= SMOOTHING / (total + SMOOTHING)
            belief[winners] += counts / (total + SMOOTHING)
        return belief

    def neighbours(self, description: Description) -> Floats:
        """A distribution over the winners of the most similar past purchases.

        Similarity is BM25 on sets of tokens: because all purchases have about the same number of tokens and none twice,
        BM25 reduces to the sum of the rarities of the shared tokens.
        """
        similarity = np.zeros(len(self.awards))
        for token in dict.fromkeys(description.tokens()):
            row = self._tokens.get(token)
            if row is not None:
                start, end = self._postings.indptr[row], self._postings.indptr[row + 1]
                similarity[self._postings.indices[start:end]] += self._rarity[row]
        count = min(NEIGHBOURS, len(similarity))
        nearest = np.argpartition(-similarity, count - 1)[:count]
        relative = similarity[nearest] / max(float(similarity[nearest].max()), FLOOR)
        votes = relative**SHARPNESS * self._weight[nearest]
        shares = np.bincount(self._winner[nearest], votes, minlength=len(self.suppliers))
        return shares / max(float(shares.sum()), FLOOR)

    def evidence(self, description: Description) -> Floats:
        """One row for each supplier, one column for each of `COLUMNS`."""
        size = len(self.suppliers)
        levels = ("", *description.path)
        even = np.full(size, 1.0 / size)
        market, *contexts = description.contexts()
        by_category = self.narrowed(even, market, levels)
        columns = [by_category]
        for context in contexts:
            # two estimates of the same: down the categories within the context, and from the category to the context
            inside = self.narrowed(even, context, levels)
            into = self.narrowed(by_category, context, levels[-1:])
            columns.append(np.sqrt(inside * into))
        columns += [self.neighbours(description), self.popularity()]
        logarithms = [np.log(column + FLOOR) for column in columns]
        since_category = np.full(size, _LONG_AGO_YEARS)
        latest = self._category_years.get(description.category, {})
        since_category[list(latest)] = list(latest.values())
        shares = []
        for level in (description.parent, description.category):
            winners, counts, _ = self.circle(market, level)
            share = np.zeros(size)
            share[winners] = counts / self._popularity[winners]
            shares.append(share)
        return np.column_stack([*logarithms, self.wins, self._years_since, since_category, *shares])


def _code(lists: Iterable[Iterable[Hashable]]) -> tuple[dict[Hashable, int], list[Ints]]:
    """Number the distinct keys. Return each list as the array of the numbers of its keys."""
    numbers: dict[Hashable, int] = {}
    coded = [np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64) for keys in lists]
    return numbers, coded


def _table(rows: list[Ints], columns: Ints, values: Floats, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Sparse sums: each entry of `rows[i]` gets `values[i]` in column `columns[i]`."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    flat = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    return sparse.csr_matrix((np.repeat(values, lengths), (flat, np.repeat(columns, lengths))), shape=shape)
