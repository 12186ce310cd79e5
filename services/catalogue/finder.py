"""The search of one web process: an index in memory, built from the database at the start and kept up to date from it.

Every process has its own, so that any number of them may run; none is the only copy of anything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from catalogue.search import Card, Found, Index, Wanted
from catalogue.skus import Sku
from infra.away import in_short, is_away
from infra.database import Database, Transaction
from infra.health import HEALTH, State
from infra.reading import listed
from infra.tasks import background
from services.catalogue import store
from services.catalogue.pricing import best_price, in_minor_units

log = logging.getLogger(__name__)
EVERY_SECONDS = 0.5
AT_ONCE = 2_000
LOOKALIKES = 40
TASK = "catalogue search"


class Finder:
    """``ready`` turns true when all SKUs are in; until then a search finds those that are."""

    def __init__(self, database: Database, currency: str) -> None:
        self._database = database
        self.currency = currency
        self._index = Index.in_memory()
        self._horizon = 0
        self.ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background(self._follow(), name=TASK):
            yield

    async def search(self, wanted: Wanted) -> Found:
        return await asyncio.to_thread(self._index.search, wanted)

    async def lookalikes(self, card: Sku) -> tuple[str, ...]:
        """Published SKUs whose words are near, to score as near-duplicates."""
        found = await self.search(Wanted(text=f"{card.gtin} {card.name}", limit=LOOKALIKES, facets=False))
        return found.sku_ids

    async def _follow(self) -> None:
        """Fill, then follow the changes for ever; a lost database is waited for."""
        while True:
            try:
                await (self._take_changes() if self.ready else self._fill())
            except Exception as error:
                away = is_away(error)
                log.log(logging.WARNING if away else logging.ERROR, "the search waits", exc_info=error)
                state = State.waiting if away else State.degraded
                HEALTH.report("task", TASK, state, in_short(error), "" if away else "read the log of this process")
            else:
                HEALTH.report("task", TASK, State.running)
            await asyncio.sleep(EVERY_SECONDS)

    async def _fill(self) -> None:
        """The horizon is taken first: what changes meanwhile is taken over once more."""
        async with self._database.transaction("catalogue") as tx:
            _, self._horizon = await store.changed_since(tx, self._horizon)
        last = ""
        while True:
            async with self._database.transaction("catalogue") as tx:
                versions, last = await store.published_after(tx, last, AT_ONCE)
                cards = await self._cards(tx, [version.sku for version in versions])
            if not last:
                break
            await asyncio.to_thread(self._put, cards, ())
        self.ready = True

    async def _take_changes(self) -> None:
        async with self._database.transaction("catalogue") as tx:
            changed, horizon = await store.changed_since(tx, self._horizon)
        for start in range(0, len(changed), AT_ONCE):
            ids = changed[start : start + AT_ONCE]
            async with self._database.transaction("catalogue") as tx:
                versions = await store.shown(tx, ids)
                cards = await self._cards(tx, [version.sku for version in versions.values()])
            await asyncio.to_thread(self._put, cards, set(ids) - set(versions))
        self._horizon = horizon

    def _put(self, cards: Sequence[Card], gone: Sequence[str] | set[str]) -> None:
        for card in cards:
            self._index.put(card)
        for sku_id in gone:
            self._index.delete(sku_id)
        self._index.commit()

    async def _cards(self, tx: Transaction, skus: Sequence[Sku]) -> list[Card]:
        """What the index says of each: its card and what its offers add today."""
        standing = await store.standing(tx, [sku.sku_id for sku in skus])

        def card_of(sku: Sku) -> Card:
            offers = [each.offer for each in standing[sku.sku_id]]
            best = best_price(offers, "", tx.now.date(), self.currency)
            return Card(
                sku=sku,
                regions=tuple({region for offer in offers for region in offer.regions}),
                min_price=in_minor_units(best) if best else None,
                eco_labels=tuple({label.label for offer in offers for label in offer.eco_labels}),
            )

        return listed("SKU", skus, lambda sku: sku.sku_id, card_of)
