"""Making the lists that wait. No transaction is open while the child process ranks."""

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from events.recommender import Recommendation, RecommendationsMade
from infra.away import in_short, is_away
from infra.health import HEALTH, State
from infra.service import Ground
from services.recommender.engine import Advise, Engine, Fit, Learn
from services.recommender.store import advice, trainings
from services.recommender.store.advice import Opening, Waiting

log = logging.getLogger(__name__)
NAME = "recommender"
SHOWN = 3
REMEDY = "read the reason in the log of the worker; a list is made again when something about its supplier changes"
ITEMS = 20
"""In a published list, at most."""
TOGETHER = 200
"""Suppliers in one question."""
REREAD_AFTER = timedelta(minutes=1)
SMALL = 5000
"""A history of no more awards is read again whenever it changed, a larger one (a second for each 15,000) once in a while."""


@asynccontextmanager
async def alone(ground: Ground, work: str) -> AsyncIterator[bool]:
    """True if no other process does this work now; it is held without a transaction, and freed when this process dies."""
    async with ground.database.pool.acquire() as connection:
        key = f"{NAME}/{work}"
        mine = await connection.fetchval("select pg_try_advisory_lock(hashtextextended($1, 0))", key)
        try:
            yield mine
        finally:
            if mine:
                await connection.execute("select pg_advisory_unlock(hashtextextended($1, 0))", key)


class Recommending:
    """The lists, made by one engine that is taught again as models and awards change."""

    def __init__(self, ground: Ground, engine: Engine) -> None:
        self._ground = ground
        self._engine = engine
        self._taught_at: datetime | None = None

    async def make_due(self) -> int:
        """Make lists that wait, some at a time; returns how many."""
        async with alone(self._ground, "lists") as mine:
            return await self._make_due() if mine else 0

    async def _make_due(self) -> int:
        async with self._ground.database.transaction(NAME) as tx:
            await advice.spread(tx)
            waiting = await advice.waiting(tx, TOGETHER)
            uninvited = await advice.uninvited(tx)
            if not waiting and not uninvited:
                return 0
            openings = await advice.openings(tx)
        model_id = await self._teach()
        try:
            await self._make(model_id, waiting, uninvited, openings)
        except Exception as error:
            if is_away(error):
                raise
            log.exception("a question about %d suppliers failed; each is asked about by itself", len(waiting))
            await self._one_by_one(model_id, waiting, uninvited, openings)
        return len(waiting)

    async def _one_by_one(
        self, model_id: str, waiting: Sequence[Waiting], uninvited: Collection[str], openings: Sequence[Opening]
    ) -> None:
        """Whoever fails alone waits no more, until something about it changes. Raises where no supplier is needed to fail."""
        await self._make(model_id, [], uninvited, openings)
        failed: dict[str, Exception] = {}
        for one in waiting:
            try:
                await self._make(model_id, [one], (), openings)
            except Exception as error:
                if is_away(error):
                    raise
                failed[one.profile.supplier_id] = error
        if failed:
            why = "; ".join(f"{supplier_id}: {in_short(error)}" for supplier_id, error in list(failed.items())[:SHOWN])
            log.error("no list can be made for %d suppliers: %s", len(failed), why)
            HEALTH.report("timer", f"{NAME} lists: suppliers", State.degraded, f"no list for {why}", REMEDY)
            async with self._ground.database.transaction(NAME) as tx:
                await advice.settle(tx, [one for one in waiting if one.profile.supplier_id in failed])

    async def _make(
        self, model_id: str, waiting: Sequence[Waiting], uninvited: Collection[str], openings: Sequence[Opening]
    ) -> None:
        question = Advise(
            suppliers=[one.profile for one in waiting if one.active],
            opportunities=[one.described() for one in openings],
            invite=[one.described() for one in openings if one.opportunity_id in uninvited],
            k=ITEMS + max((sum(not fitting(one, opening) for opening in openings) for one in waiting), default=0),
        )
        answer = await self._engine.advise(question)
        by_id = {one.opportunity_id: one for one in openings}
        async with self._ground.database.transaction(NAME) as tx:
            for one in waiting:
                items = chosen(one, answer.fits.get(one.profile.supplier_id, ()), by_id)
                changed = await advice.replace_list(tx, one.profile.supplier_id, model_id, items)
                if changed and one.native:
                    tx.emit(
                        RecommendationsMade(
                            supplier_id=one.profile.supplier_id, model_id=model_id, made_at=tx.now, items=items
                        )
                    )
            await advice.settle(tx, waiting)
            await advice.keep_invitees(tx, answer.invitees)

    async def _teach(self) -> str:
        """The engine is told of a new model at once, of new awards as `REREAD_AFTER` says. Returns the model's id."""
        async with self._ground.database.transaction(NAME) as tx:
            model_id, model = await trainings.model_in_use(tx)
            count, heard_at = await advice.awards_version(tx)
            name = (model_id, tx.now.date(), count, heard_at)
            knows = self._engine.knows
            lately = self._taught_at is not None and tx.now - self._taught_at < REREAD_AFTER
            same_model = isinstance(knows, tuple) and knows[0] == model_id
            if knows == name or (same_model and lately and count > SMALL):
                return model_id
            question = Learn(model, await advice.awards(tx), tx.now.date())
            self._taught_at = tx.now
        await self._engine.learn(question, name)
        return model_id


def fitting(supplier: Waiting, opening: Opening) -> bool:
    """Not its own purchase, and not what it dismissed."""
    return opening.buyer_id != supplier.profile.supplier_id and opening.opportunity_id not in supplier.dismissed


def chosen(supplier: Waiting, fits: Sequence[Fit], openings: Mapping[str, Opening]) -> tuple[Recommendation, ...]:
    """What is published."""
    found = [(fit, openings[fit.opportunity_id]) for fit in fits if fitting(supplier, openings[fit.opportunity_id])]
    return tuple(
        Recommendation(
            kind=opening.kind,
            opportunity_id=opening.opportunity_id,
            title=opening.title,
            buyer_name=opening.buyer_name,
            path=opening.path,
            closes_at=opening.closes_at,
            amount=opening.amount,
            currency=opening.currency,
            score=round(fit.score, 4),
            reasons=fit.reasons,
        )
        for fit, opening in found[:ITEMS]
    )
