"""The search of one web process: an index in memory, built from the database at the start and kept up to date from it.

Every process has its own, so that any number of them may run; none is the only copy of anything.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from catalogue.search import Card, Found, Index, Wanted
from catalogue.skus import Sku
from infra.database import Database, Transaction
from infra.tasks import background
from services.catalogue import store
from services.catalogue.pricing import best_price, in_minor_units

log = logging.getLogger(__name__)
EVERY_SECONDS = 0.5
AT_ONCE = 2_000
LOOKALIKES = 40


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
        async with background(self._follow(), name="catalogue search"):
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
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError) as error:
                log.warning("the search waits for the database: %s", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def _fill(self) -> None:
        """The horizon is taken first: what changes meanwhile is taken over once more."""
        async with self._database.transaction("catalogue") as tx:
            _, self._horizon = await store.changed_since(tx, self._horizon)
        last = ""
        while True:
            async with self._database.transaction("catalogue") as tx:
                versions = await store.published_after(tx, last, AT_ONCE)
                cards = await self._cards(tx, [version.sku for version in versions])
            if not cards:
                break
            await asyncio.to_thread(self._put, cards, ())
            last = cards[-1].sku.sku_id
        self.ready = True

    async def _take_changes(self) -> None:
        async with self._database.transaction("catalogue") as tx:
            changed, horizon = await store.changed_since(tx, self._horizon)
        for start in range(0, len(changed), AT_ONCE):
            ids = changed[start : start + AT_ONCE]
            async with self._database.transaction("catalogue") as tx:
                versions = await store.published(tx, ids)
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
        cards = []
        for sku in skus:
            offers = [each.offer for each in standing[sku.sku_id]]
            best = best_price(offers, "", tx.now.date(), self.currency)
            cards.append(
                Card(
                    sku=sku,
                    regions=tuple({region for offer in offers for region in offer.regions}),
                    min_price=in_minor_units(best) if best else None,
                    eco_labels=tuple({label.label for offer in offers for label in offer.eco_labels}),
                )
            )
        return cards
