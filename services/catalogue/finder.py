"""The search of one web process: an index in memory, built from the database at the start and updated from it.

Every process has its own index, so any number of processes may run; no index is the only copy of its data.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from catalogue.search import FoundSkus, Index, IndexedCard, SkuSearch
from catalogue.skus import Similar, Sku, near_duplicates
from infra.away import in_short, is_away
from infra.database import Database, Transaction
from infra.health import HEALTH, PartState
from infra.reading import listed
from infra.tasks import background
from services.catalogue import store
from services.catalogue.pricing import LocalMarket, best_price, date_of_all, in_minor_units
from services.catalogue.store import prices, proposals
from services.catalogue.store.prices import PriceRequest

log = logging.getLogger(__name__)
EVERY_SECONDS = 0.5
AT_ONCE = 500
LOOKALIKES = 40
COMPARED_AT_ONCE = 2
"""The most proposals that are compared at once; others wait without a database connection."""
TASK = "catalogue search"
SHOWN = 3
REMEDY = "correct the SKU or its offers as the reason says; the search takes it over when it changes"


class Finder:
    """``ready`` becomes true when all SKUs are indexed; until then a search finds only those that are."""

    def __init__(self, database: Database, currency: str) -> None:
        self._database = database
        self.currency = currency
        self._index = Index.in_memory()
        self._horizon = 0
        self._comparing = asyncio.Semaphore(COMPARED_AT_ONCE)
        self._refused: dict[str, str] = {}
        """SKUs that the index refused when they last changed, with the reasons."""
        self.ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background(self._follow(), name=TASK):
            yield

    async def search(self, wanted: SkuSearch) -> FoundSkus:
        return await asyncio.to_thread(self._index.search, wanted)

    async def near_duplicates(self, card: Sku) -> tuple[Similar, ...]:
        """Similar cards, most similar first, among the published cards that a search finds and the cards that await
        moderation in the category. It is computed outside the event loop while no transaction runs."""
        async with self._comparing:
            found = await self.search(SkuSearch(text=f"{card.gtin} {card.name}", limit=LOOKALIKES, facets=False))
            async with self._database.transaction("catalogue") as tx:
                rows = await proposals.comparable(tx, found.sku_ids, card.category)
            return await asyncio.to_thread(_alike, card, rows)

    async def _follow(self) -> None:
        """Fill the index, then follow the changes without end. Waits for the database if it is away."""
        while True:
            try:
                await (self._take_changes() if self.ready else self._fill())
            except Exception as error:
                away = is_away(error)
                log.log(logging.WARNING if away else logging.ERROR, "the search waits", exc_info=error)
                state = PartState.waiting if away else PartState.degraded
                HEALTH.report("task", TASK, state, in_short(error), "" if away else "read the log of this process")
            else:
                HEALTH.report("task", TASK, PartState.running)
            await asyncio.sleep(EVERY_SECONDS)

    async def _fill(self) -> None:
        """Read all SKUs. The horizon is read first, so that changes meanwhile are read again later."""
        async with self._database.transaction("catalogue") as tx:
            self._horizon = (await store.span_from(tx, self._horizon)).following
        last = ""
        while True:
            async with self._database.transaction("catalogue") as tx:
                versions, last = await store.published_after(tx, last, AT_ONCE)
                cards = await self._cards(tx, [version.sku for version in versions])
            if not last:
                break
            await self._put(cards, ())
        self.ready = True

    async def _take_changes(self) -> None:
        async with self._database.transaction("catalogue") as tx:
            span = await store.span_from(tx, self._horizon)
        last: tuple[int, str] | None = None
        while True:
            async with self._database.transaction("catalogue") as tx:
                changed = await store.changed_in(tx, span, last, AT_ONCE)
                ids = [sku_id for _, sku_id in changed]
                versions = await store.shown(tx, ids)
                cards = await self._cards(tx, [version.sku for version in versions.values()])
            if not changed:
                break
            await self._put(cards, set(ids) - set(versions))
            last = changed[-1]
        self._horizon = span.following

    async def _put(self, cards: Sequence[IndexedCard], gone: Sequence[str] | set[str]) -> None:
        """Index the cards. If the index refuses a card, the former content of this SKU remains, and other cards are not
        affected."""
        refused = await asyncio.to_thread(self._index_cards, cards, gone)
        for sku_id in (*(card.sku.sku_id for card in cards), *gone):
            self._refused.pop(sku_id, None)
        for sku_id, error in refused.items():
            log.error("the search cannot index SKU %s: %s", sku_id, in_short(error), exc_info=error)
            self._refused[sku_id] = in_short(error)
        if self._refused:
            some = "; ".join(f"{sku_id}: {why}" for sku_id, why in list(self._refused.items())[:SHOWN])
            what = f"{len(self._refused)} SKUs are refused by the index, among them {some}"
            HEALTH.report("task", f"{TASK}: SKUs", PartState.degraded, what, REMEDY, apart=True)
        else:
            HEALTH.report("task", f"{TASK}: SKUs", PartState.running)

    def _index_cards(self, cards: Sequence[IndexedCard], gone: Sequence[str] | set[str]) -> dict[str, Exception]:
        """Index the cards. Return the refused SKUs with the reasons."""
        refused: dict[str, Exception] = {}
        for card in cards:
            try:
                self._index.put(card)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is said with the SKU
                refused[card.sku.sku_id] = error
        for sku_id in gone:
            self._index.delete(sku_id)
        self._index.commit()
        return refused

    async def _cards(self, tx: Transaction, skus: Sequence[Sku]) -> list[IndexedCard]:
        """The data for the index of each SKU: its card, and what its offers add.

        Readers in all time zones search in one index, so an offer counts until its last day is over for all of them.
        Then it is archived, and the SKU is indexed again.
        """
        ids = [sku.sku_id for sku in skus]
        on = date_of_all(tx.now)
        reaches = await prices.reaches(tx, ids)
        anywhere = LocalMarket(region="", currency=self.currency, on=on)
        cheapest = await prices.first(tx, dict.fromkeys(ids, PriceRequest()), self.currency, on)

        def card_of(sku: Sku) -> IndexedCard:
            best = best_price((each.offer for each in cheapest[sku.sku_id]), anywhere)
            return IndexedCard(
                sku=sku,
                regions=reaches[sku.sku_id].regions,
                min_price=in_minor_units(best) if best else None,
                eco_labels=reaches[sku.sku_id].eco_labels,
            )

        return listed("SKU", skus, lambda sku: sku.sku_id, card_of)


def _alike(card: Sku, rows: Sequence[tuple[str, str]]) -> tuple[Similar, ...]:
    return near_duplicates(card, {other.sku_id: other for other in proposals.cards_in(rows)}.values())
