"""Makes the outdated lists. No transaction is open while the child process ranks."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from events.recommender import Recommendation, RecommendationsMade
from infra.away import in_short, is_away
from infra.health import HEALTH, PartState
from infra.service import Resources
from recommender import Scored, SupplierProfile
from services.recommender.engine import Advise, Engine, Fit, Learn
from services.recommender.store import advice, marks, trainings
from services.recommender.store.advice import WaitingSupplier
from services.recommender.store.alone import alone
from services.recommender.store.openings import OpenOpportunity, candidates, horizon, reach
from services.recommender.store.openings import uninvited as unranked

log = logging.getLogger(__name__)
NAME = "recommender"
SHOWN = 3
REMEDY = "read the reason in the log of the worker; a list is made again when something about its supplier changes"
REMEDY_FOR_OPENINGS = (
    "read the reason in the log of the worker; all lists are made without it, and it is tried again when it changes, when it is over, or"
    " when the engine learns again"
)
ITEMS = 20
"""The most items in a published list."""
TOGETHER = 200
"""Suppliers whose lists are made together."""
PORTIONS = 20
"""At most this many portions of suppliers are marked before lists are made."""
REREAD_AFTER = timedelta(minutes=1)
SMALL = 5000
"""A history of at most this many awards is read again after every change; a larger one (about 1 s per 15,000 awards) at most once per
REREAD_AFTER."""
NOBODY = WaitingSupplier(
    profile=SupplierProfile(supplier_id=""),
    active=True,
    native=False,
    dismissed=frozenset(),
)
"""A supplier without any data: an opening that fails for it fails for all suppliers."""


class Recommending:
    """Makes the lists with one engine, which learns again when models and awards change.

    If a list fails because of one supplier or opening, only that one is left out, and health names it. The supplier waits for the next
    change about it; the opening is left out of all lists until it changes or the engine learns again.
    """

    def __init__(self, resources: Resources, engine: Engine) -> None:
        self._resources = resources
        self._engine = engine
        self._taught_at: datetime | None = None
        self._left_out: dict[OpenOpportunity, str] = {}
        self._without_list: dict[str, str] = {}

    async def make_due(self) -> int:
        """Make some of the outdated lists. Return how many."""
        async with alone(self._resources, "lists") as mine:
            return await self._make_due() if mine else 0

    async def _make_due(self) -> int:
        walked = await self._walk()
        async with self._resources.database.transaction(NAME) as tx:
            until = horizon(self._resources.config.policy, tx.now)
            waiting = await advice.take_waiting(tx, TOGETHER)
            uninvited = await unranked(tx, until)
            if not waiting and not uninvited:
                return walked
            openings = await candidates(tx, until)
        self._left_out = {one: why for one, why in self._left_out.items() if one in openings}
        openings = [one for one in openings if one not in self._left_out]
        uninvited &= {one.opportunity_id for one in openings}
        try:
            await self._make(waiting, uninvited, openings)
        except Exception as error:
            if is_away(error):
                raise
            log.exception(
                "making lists for %d suppliers and %d openings failed; looking for the one at fault",
                len(waiting),
                len(openings),
            )
            await self._apart(waiting, uninvited, openings)
        self._report()
        return len(waiting)

    async def _walk(self) -> int:
        """Mark some of the suppliers that changes concern. Return the number of portions."""
        async with self._resources.database.transaction(NAME) as tx:
            if reached := await reach(tx, horizon(self._resources.config.policy, tx.now)):
                await marks.note_changed(tx, reached)
            await marks.ask(tx)
        for portions in range(PORTIONS):
            async with self._resources.database.transaction(NAME) as tx:
                portion = await marks.mark_portion(tx)
            if portion is None:
                return portions
            for supplier_id in portion.held:
                async with self._resources.database.transaction(NAME) as tx:
                    await marks.mark(tx, [supplier_id])
            async with self._resources.database.transaction(NAME) as tx:
                await marks.go_on(tx, portion)
        return PORTIONS

    async def _apart(
        self, waiting: Sequence[WaitingSupplier], uninvited: Collection[str], openings: Sequence[OpenOpportunity]
    ) -> None:
        """Find the supplier or opening at fault, and make the lists without it. Raise an error again that occurs with
        every opening, since no single opening causes it."""
        sound, failing = await self._sound([NOBODY], uninvited, openings)
        if len(failing) == len(openings) > 1:
            raise failing[openings[0]]
        self._leave_out(failing)
        await self._make([], {one.opportunity_id for one in sound}.intersection(uninvited), sound)
        failed = []
        for one in waiting:
            try:
                sound = await self._recommend_alone(one, sound)
            except Exception as error:
                if is_away(error):
                    raise
                log.exception("no list can be made for supplier %s", one.profile.supplier_id)
                self._without_list[one.profile.supplier_id] = in_short(error)
                failed.append(one)
        async with self._resources.database.transaction(NAME) as tx:
            await marks.settle(tx, [one.profile.supplier_id for one in failed])

    async def _recommend_alone(self, one: WaitingSupplier, openings: list[OpenOpportunity]) -> list[OpenOpportunity]:
        """Make one supplier's list. Return the openings without those on which it failed. Raise the error if it fails on all."""
        try:
            await self._make([one], (), openings)
        except Exception as error:
            if is_away(error):
                raise
            sound, failing = await self._sound([one], (), openings)
            if not failing or not sound:
                raise
            await self._make([one], (), sound)
            self._leave_out(failing)
            return sound
        return openings

    async def _sound(
        self, suppliers: Sequence[WaitingSupplier], uninvited: Collection[str], openings: Sequence[OpenOpportunity]
    ) -> tuple[list[OpenOpportunity], dict[OpenOpportunity, Exception]]:
        """The openings for which the lists of these suppliers can be made, and those for which that fails; found by halving."""
        try:
            await self._lists(suppliers, uninvited, openings)
        except Exception as error:
            if is_away(error):
                raise
            if len(openings) < 2:
                return [], dict.fromkeys(openings, error)
            middle = len(openings) // 2
            sound, failing = await self._sound(suppliers, uninvited, openings[:middle])
            more_sound, more_failing = await self._sound(suppliers, uninvited, openings[middle:])
            return [*sound, *more_sound], failing | more_failing
        return list(openings), {}

    def _leave_out(self, failing: Mapping[OpenOpportunity, Exception]) -> None:
        for opening, error in failing.items():
            log.error("%s is left out of all lists", opening.opportunity_id, exc_info=error)
            self._left_out[opening] = in_short(error)

    def _report(self) -> None:
        openings = {one.opportunity_id: why for one, why in self._left_out.items()}
        for what, trouble, remedy in (
            ("suppliers", self._without_list, REMEDY),
            ("openings", openings, REMEDY_FOR_OPENINGS),
        ):
            if trouble:
                some = "; ".join(f"{key}: {why}" for key, why in list(trouble.items())[:SHOWN])
                HEALTH.report(
                    "timer", f"{NAME} lists: {what}", PartState.degraded, f"{len(trouble)} fail: {some}", remedy
                )
            else:
                HEALTH.report("timer", f"{NAME} lists: {what}", PartState.running)

    async def _lists(
        self, waiting: Sequence[WaitingSupplier], uninvited: Collection[str], openings: Sequence[OpenOpportunity]
    ) -> tuple[str, list[tuple[WaitingSupplier, tuple[Recommendation, ...]]], dict[str, list[Scored]]]:
        """(the model's id, each supplier's list, the suppliers ranked for each opening that lacks them)."""
        model_id = await self._teach()
        question = Advise(
            suppliers=[one.profile for one in waiting if one.active],
            opportunities=[one.described() for one in openings],
            invite=[one.described() for one in openings if one.opportunity_id in uninvited],
            k=ITEMS,
            without=unfitting(waiting, openings),
        )
        answer = await self._engine.advise(question)
        by_id = {one.opportunity_id: one for one in openings}
        lists = [(one, chosen(one, answer.fits.get(one.profile.supplier_id, ()), by_id)) for one in waiting]
        return model_id, lists, answer.invitees

    async def _make(
        self, waiting: Sequence[WaitingSupplier], uninvited: Collection[str], openings: Sequence[OpenOpportunity]
    ) -> None:
        model_id, lists, invitees = await self._lists(waiting, uninvited, openings)
        async with self._resources.database.transaction(NAME) as tx:
            for one, items in lists:
                changed = await advice.replace_list(tx, one.profile.supplier_id, model_id, items)
                if changed and one.native:
                    tx.emit(
                        RecommendationsMade(
                            supplier_id=one.profile.supplier_id, model_id=model_id, made_at=tx.now, items=items
                        )
                    )
            await marks.settle(tx, [one.profile.supplier_id for one in waiting])
            await advice.keep_invitees(tx, invitees)
        for one in waiting:
            self._without_list.pop(one.profile.supplier_id, None)

    async def _teach(self) -> str:
        """Give the engine a new model at once, and new awards as SMALL and REREAD_AFTER say. Return the model's id."""
        async with self._resources.database.transaction(NAME) as tx:
            model_id = await trainings.id_in_use(tx)
            count, heard_at = await advice.count_awards(tx, SMALL), await advice.last_heard(tx)
            name = (model_id, tx.now.date(), count, heard_at)
            knows = self._engine.knows
            lately = self._taught_at is not None and tx.now - self._taught_at < REREAD_AFTER
            same_model = isinstance(knows, tuple) and knows[0] == model_id
            if knows == name or (same_model and lately and count > SMALL):
                return model_id
            model_id, model = await trainings.model_in_use(tx)
            question = Learn(model, await advice.awards(tx), tx.now.date())
            self._taught_at = tx.now
        await self._engine.learn(question, name)
        self._left_out.clear()
        return model_id


def unfitting(waiting: Iterable[WaitingSupplier], openings: Iterable[OpenOpportunity]) -> dict[str, list[str]]:
    """The supplier's own purchases and what it dismissed, by supplier."""
    of_buyer: dict[str, list[str]] = {}
    for opening in openings:
        of_buyer.setdefault(opening.buyer_id, []).append(opening.opportunity_id)
    found = {
        one.profile.supplier_id: [*of_buyer.get(one.profile.supplier_id, ()), *sorted(one.dismissed)] for one in waiting
    }
    return {supplier_id: ids for supplier_id, ids in found.items() if ids}


def fitting(supplier: WaitingSupplier, opening: OpenOpportunity) -> bool:
    """Not its own purchase, and not what it dismissed."""
    return opening.buyer_id != supplier.profile.supplier_id and opening.opportunity_id not in supplier.dismissed


def chosen(
    supplier: WaitingSupplier, fits: Sequence[Fit], openings: Mapping[str, OpenOpportunity]
) -> tuple[Recommendation, ...]:
    """The items that are published."""
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
