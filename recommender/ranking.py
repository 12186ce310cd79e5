"""The learned ranker: small boosted trees over the evidence, kept as plain arrays.

scikit-learn grows the trees; only their public arrays are kept, so that a model is data (nothing is unpickled) and
scoring needs only numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from recommender.features import Description, describe
from recommender.history import COLUMNS, PROBABILITIES, Floats, History, Ints, last_date
from recommender.values import Award

if TYPE_CHECKING:
    from sklearn.ensemble import GradientBoostingClassifier

CANDIDATES = 100
"""The number of suppliers that are chosen by plain evidence and then scored by the ranker."""
FOLDS = (0.7, 0.85, 1.0)
"""The ranker is trained on two later parts of the history; the evidence for each uses only earlier awards."""
MIN_EXAMPLES = 50
"""With fewer winners among the candidates no model is trained, and only the plain evidence ranks."""
TREES, DEPTH, RATE, LEAF, SEED = 60, 4, 0.08, 50, 7


class Ranker(Struct, frozen=True):
    """Trees as parallel arrays over all nodes: an inner node sends `column <= threshold` left; a leaf is its own child.

    Without trees the score is the mean of the evidence's log probabilities.
    """

    columns: tuple[str, ...] = COLUMNS
    offset: float = 0.0
    roots: tuple[int, ...] = ()
    column: tuple[int, ...] = ()
    threshold: tuple[float, ...] = ()
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    value: tuple[float, ...] = ()

    @property
    def learned(self) -> bool:
        return bool(self.roots)


class Scorer:
    """A ranker prepared for scoring: `scores(evidence)` returns a probability for each row of `History.evidence`."""

    def __init__(self, ranker: Ranker) -> None:
        if ranker.columns != COLUMNS:
            raise ValueError(f"the ranker was trained on columns {ranker.columns}, this library computes {COLUMNS}")
        nodes = len(ranker.value)
        own = range(nodes)
        parallel = {len(ranker.column), len(ranker.threshold), len(ranker.left), len(ranker.right)} <= {nodes}
        if not parallel or not all(0 <= column < len(COLUMNS) for column in ranker.column):
            raise ValueError("the ranker's arrays do not fit together")
        # children come after their parent, so every walk ends
        onward = (
            at <= child < nodes for side in (ranker.left, ranker.right) for at, child in zip(own, side, strict=True)
        )
        if not all(onward) or not all(0 <= root < nodes for root in ranker.roots):
            raise ValueError("the ranker's nodes point nowhere")
        self._ranker = ranker
        self._roots = np.array(ranker.roots, dtype=np.int64)
        self._column = np.array(ranker.column, dtype=np.int64)
        self._threshold = np.array(ranker.threshold, dtype=np.float64)
        self._children = np.array([ranker.right, ranker.left], dtype=np.int64)
        self._value = np.array(ranker.value, dtype=np.float64)

    def scores(self, evidence: Floats) -> Floats:
        if not self._ranker.learned:
            return np.exp(plain(evidence))
        seen = evidence.astype(np.float32)  # the precision with which scikit-learn chose the thresholds
        node = np.broadcast_to(self._roots, (len(seen), len(self._roots)))
        rows = np.arange(len(seen))[:, None]
        while True:
            goes_left = seen[rows, self._column[node]] <= self._threshold[node]
            below = self._children[goes_left.astype(np.int64), node]
            if np.array_equal(below, node):
                break
            node = below
        odds = self._ranker.offset + self._value[node].sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-odds)), dtype=np.float64)


def plain(evidence: Floats) -> Floats:
    """Each supplier's mean log probability over the estimates. It needs no training and is used to choose
    candidates."""
    return np.asarray(evidence[:, : len(PROBABILITIES)].mean(axis=1), dtype=np.float64)


def candidates(evidence: Floats, count: int) -> Ints:
    """Indices of the suppliers worth scoring, best first, ties in order of identity."""
    return np.argsort(-plain(evidence), kind="stable")[:count]


def learn(history: Sequence[Award]) -> Ranker:
    """Fit on `history` (in time order, undated first); a Ranker without trees if there are too few awards."""
    examples = list(_examples(history))
    if not examples:
        return Ranker()
    evidence = np.concatenate([rows for rows, _ in examples]).astype(np.float32)
    won = np.concatenate([labels for _, labels in examples])
    if won.sum() < MIN_EXAMPLES:
        return Ranker()
    from sklearn.ensemble import GradientBoostingClassifier  # here: it takes 2 s and 80 MB

    trees = GradientBoostingClassifier(
        n_estimators=TREES,
        max_depth=DEPTH,
        learning_rate=RATE,
        subsample=0.4,
        min_samples_leaf=LEAF,
        max_features=5,
        random_state=SEED,
    ).fit(evidence, won)
    return _as_arrays(trees, float(np.mean(won)))


def _examples(history: Sequence[Award]) -> Iterator[tuple[Floats, npt.NDArray[np.bool_]]]:
    """For each distinct opportunity of a later part: the evidence of its candidates, and which of them won."""
    for start, end in pairwise(round(len(history) * share) for share in FOLDS):
        past, later = history[:start], history[start:end]
        if not past or not later:
            continue
        known = History(past, last_date(past))
        winners: dict[Description, set[int]] = {}
        for award in later:
            winners.setdefault(describe(award.opportunity), set()).add(known.index.get(award.supplier, -1))
        for description, won in winners.items():
            evidence = known.evidence(description)
            chosen = candidates(evidence, CANDIDATES)
            yield evidence[chosen], np.isin(chosen, list(won))


def _as_arrays(trees: GradientBoostingClassifier, base_rate: float) -> Ranker:
    roots: list[int] = []
    column: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []
    for estimator in trees.estimators_[:, 0]:
        tree = estimator.tree_
        start = len(column)
        roots.append(start)
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        column += np.where(leaf, 0, tree.feature).tolist()
        threshold += tree.threshold.tolist()
        left += (start + np.where(leaf, own, tree.children_left)).tolist()
        right += (start + np.where(leaf, own, tree.children_right)).tolist()
        value += (RATE * tree.value[:, 0, 0]).tolist()
    offset = float(np.log(base_rate / (1.0 - base_rate)))
    return Ranker(
        COLUMNS, offset, tuple(roots), tuple(column), tuple(threshold), tuple(left), tuple(right), tuple(value)
    )
