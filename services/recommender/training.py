"""Learns again from a grown history, measures the new model, and uses it only if it is not worse."""

from datetime import datetime, timedelta

import msgspec

from events.recommender import Figure, ModelTrained
from infra.ids import new_id
from infra.service import Resources
from recommender import HitRate, ModelFigures, NewSupplierFigures
from services.recommender.engine import Engine, Train, Trained
from services.recommender.recommending import NAME
from services.recommender.store import advice, marks, trainings
from services.recommender.store.alone import alone
from services.recommender.store.trainings import Training

MIN_AWARDS = 200
"""With fewer awards there is no training; recommendations then use the plain evidence and the suppliers' profiles."""
MIN_NEW = 50
MIN_GROWTH = 0.05
NOT_AGAIN_BEFORE = timedelta(hours=1)
QUIET = timedelta(seconds=15)
"""Training waits until the history has not changed for this time, because during an import it grows every second."""


class TooFewAwards(Exception):
    """There is not enough history to learn from."""

    code = "too-few-awards"


class TrainingRuns(Exception):
    """Another process is training."""

    code = "training-runs"


class HistoryState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the history compared with the last training."""

    awards: int
    heard_at: datetime | None
    trained_on: int = 0
    trained_at: datetime | None = None


def due(state: HistoryState, now: datetime) -> bool:
    """Whether training is due: there are enough new awards, the history is at rest, and the last training was more than
    an hour ago or the history has doubled."""
    new = state.awards - state.trained_on
    if state.awards < MIN_AWARDS or new < max(MIN_NEW, MIN_GROWTH * state.trained_on):
        return False
    if state.heard_at is not None and now - state.heard_at < QUIET:
        return False
    return state.trained_at is None or now - state.trained_at >= NOT_AGAIN_BEFORE or new >= state.trained_on


async def train_when_due(resources: Resources) -> int:
    async with alone(resources, "training") as mine:
        if mine and due(await _state(resources), resources.clock()):
            await _train(resources)
            return 1
    return 0


async def train_now(resources: Resources) -> Training:
    """Train now, even if it is not due. Raise TooFewAwards, TrainingRuns, EngineFailed."""
    async with alone(resources, "training") as mine:
        if not mine:
            raise TrainingRuns("a training is running already; look at its figures in a minute")
        state = await _state(resources)
        if state.awards < MIN_AWARDS:
            raise TooFewAwards(f"{state.awards} awards are known; at least {MIN_AWARDS} are needed to learn from")
        return await _train(resources)


async def _state(resources: Resources) -> HistoryState:
    async with resources.database.transaction(NAME) as tx:
        count, heard_at = await advice.awards_version(tx)
        last = next(iter(await trainings.newest(tx, 1)), None)
    if last is None:
        return HistoryState(awards=count, heard_at=heard_at)
    return HistoryState(awards=count, heard_at=heard_at, trained_on=last.awards, trained_at=last.trained_at)


async def _train(resources: Resources) -> Training:
    """Train in a separate child process, without an open transaction, because it takes from seconds to a minute."""
    async with resources.database.transaction(NAME) as tx:
        in_use, incumbent = await trainings.model_in_use(tx)
        question = Train(await advice.awards(tx), tx.now.date(), incumbent)
    engine = Engine()
    try:
        trained = await engine.train(question)
    finally:
        engine.close()
    async with resources.database.transaction(NAME) as tx:
        training = _training(trained, new_id(), in_use, len(question.awards), tx.now)
        await trainings.keep(tx, training, trained.model)
        await marks.ask_everyone(tx)
        tx.emit(
            ModelTrained(
                model_id=training.model_id,
                trained_at=training.trained_at,
                awards=training.awards,
                suppliers=training.suppliers,
                promoted=training.promoted,
                reason=training.reason,
                figures=training.figures,
            )
        )
    return training


def _training(trained: Trained, model_id: str, in_use: str, awards: int, now: datetime) -> Training:
    decision = trained.decision
    return Training(
        model_id=model_id,
        in_use=model_id if decision.promoted else in_use,
        trained_at=now,
        awards=awards,
        suppliers=trained.suppliers,
        promoted=decision.promoted,
        code=decision.code,
        reason=decision.sentence,
        figures=(
            *figures_of(trained.figures, trained.new_suppliers),
            *_rate("candidate", decision.candidate, trained.figures.split.k),
        ),
        seconds=trained.seconds,
    )


def figures_of(figures: ModelFigures, new_suppliers: NewSupplierFigures) -> tuple[Figure, ...]:
    """Rates by group of awards, ``new by category`` and ``new by region`` for suppliers without history, baselines by name."""
    k = figures.split.k
    groups = {
        "all": figures.all,
        "known": figures.known,
        "per tender": figures.per_tender,
        "long tail": figures.long_tail,
        "new by category": new_suppliers.by_category,
        "new by region": new_suppliers.by_region,
        **{f"baseline {name}": rate for name, rate in figures.baselines.items()},
    }
    return (
        *(figure for group, rate in groups.items() for figure in _rate(group, rate, k)),
        Figure(name="coverage", group="all", value=figures.coverage),
        Figure(name="long tail share", group="all", value=figures.long_tail_share),
    )


def _rate(group: str, rate: HitRate, k: int) -> tuple[Figure, ...]:
    named = {f"hr@{k}": rate.hr, f"mrr@{k}": rate.mrr, "n": float(rate.n)}
    return tuple(Figure(name=name, group=group, value=value) for name, value in named.items())
