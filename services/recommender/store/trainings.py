"""Trainings, their measurements, and the model in use. SQL is written by hand here for lists and JSON."""

from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec

from events.recommender import Figure
from infra.database import Transaction
from infra.reading import listed

PLAIN = "plain"
"""The id of the model without learning: the plain evidence of the history."""


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """``figures`` are those of the model in use after the training: the new one if it was ``promoted``."""

    model_id: str
    in_use: str
    trained_at: datetime
    awards: int
    suppliers: int
    promoted: bool
    code: str
    reason: str
    figures: tuple[Figure, ...]
    seconds: float


_COLUMNS = "model_id, in_use, trained_at, awards, suppliers, promoted, code, reason, figures::text, seconds"


async def newest(tx: Transaction, limit: int) -> list[Training]:
    rows = await (await tx.raw()).fetch(
        f"select {_COLUMNS} from recommender.trainings order by trained_at desc, model_id desc limit $1", limit
    )
    return listed("training", rows, itemgetter("model_id"), _training)


def _training(row: asyncpg.Record) -> Training:
    return Training(**{**row, "figures": msgspec.json.decode(row["figures"], type=tuple[Figure, ...])})


async def model_in_use(tx: Transaction) -> tuple[str, bytes | None]:
    """(the training that made the model in use, its bytes); the plain evidence while nothing was trained."""
    row = await (await tx.raw()).fetchrow(
        "select in_use, model from recommender.trainings where model is not null order by trained_at desc limit 1"
    )
    return (row["in_use"] or PLAIN, row["model"]) if row else (PLAIN, None)


async def id_in_use(tx: Transaction) -> str:
    """The id of :func:`model_in_use`, without reading its many bytes."""
    query = "select in_use from recommender.trainings where model is not null order by trained_at desc limit 1"
    return await (await tx.raw()).fetchval(query) or PLAIN


async def keep(tx: Transaction, training: Training, model: bytes) -> None:
    """Store a training. ``model`` is in use from now on; the bytes of the previous one are deleted."""
    connection = await tx.raw()
    await connection.execute("update recommender.trainings set model = null where model is not null")
    await connection.execute(
        """insert into recommender.trainings (model_id, in_use, trained_at, awards, suppliers, promoted, code, reason, figures,
               seconds, model)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, $11)""",
        training.model_id,
        training.in_use,
        training.trained_at,
        training.awards,
        training.suppliers,
        training.promoted,
        training.code,
        training.reason,
        msgspec.json.encode(training.figures).decode(),
        training.seconds,
        model,
    )
