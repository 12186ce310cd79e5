"""The rows that an organisation, a moderator and the search read in a catalogue with millions of cards and offers."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from infra.database import Transaction
from infra.listing import COUNTED
from services.catalogue import store
from services.catalogue.store import endings, proposals
from services.catalogue.store.endings import EndingOffers
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.catalogue.market_builders import Stall

pytestmark = pytest.mark.servers
MANY = 20_000
BOUND = 1_500
"""The most rows that one query may read: a portion, or a count."""


async def _years(db: asyncpg.Connection, sku_id: str) -> None:
    """Make copies of a SKU: all are versions of one SKU and published except every tenth; those of category 45 await
    moderation. Also make offers: half of them are of one supplier, and half on one SKU; most have ended."""
    await db.execute(
        """insert into catalogue.skus select made.* from catalogue.skus s, generate_series(1, $2::int) n,
               jsonb_populate_record(s, jsonb_build_object('sku_id', 'many-' || n, 'version', 1,
               'category', case when n % 10 = 0 then '45' else '30' end,
               'state', case when n % 10 = 0 then 'moderation' when n % 10 = 1 then 'archived' else 'published' end,
               'proposed_by', case when n % 2 = 0 then 'even' else 'odd' end, 'proposed_at', now() - n * interval '1 minute')) made
           where s.sku_id = $1""",
        sku_id,
        MANY,
    )
    await db.execute(
        """insert into catalogue.skus select made.* from catalogue.skus s, generate_series(2, 1000) n,
               jsonb_populate_record(s, jsonb_build_object('sku_id', 'many-2', 'version', n, 'state', 'archived',
               'proposed_by', 'odd')) made
           where s.sku_id = $1""",
        sku_id,
    )
    await db.execute(
        """insert into catalogue.offers (offer_id, sku_id, supplier_id, supplier_name, valid_until, published_at, ended, body)
           select 'many-' || n, 'many-' || case when n % 4 < 2 then 2 else n end, 'supplier-' || case when n % 2 = 0 then 2 else n end, 'S',
               '2020-01-01'::date + n, now() - n * interval '1 minute', case when n % 4 <> 0 and n % 3 = 0 then 'withdrawn' end,
               jsonb_build_object('price', '10', 'regions', '["BR"]'::jsonb, 'min_quantity', '1', 'offer_id', 'many-' || n)
           from generate_series(1, $1::int) n""",
        MANY,
    )
    await db.execute(
        "insert into catalogue.changes select 'many-' || n, 5 + n / 1000 from generate_series(1, $1::int) n", MANY
    )
    for table in ("skus", "offers", "changes"):
        await db.execute(f"analyze catalogue.{table}")


def _asked(tx: Transaction) -> dict[str, tuple[Callable[[], Awaitable[Any]], ...]]:
    """The read rows, by table."""
    ending = EndingOffers(of="sku", subject="many-2", reason="sku-archived")
    return {
        "skus": (
            lambda: proposals.queue(tx, limit=20, offset=100),
            lambda: proposals.count_own_awaiting(tx, "odd"),
            lambda: proposals.proposals_of(tx, "even"),
            lambda: proposals.comparable(tx, ["many-3", "many-4"], "30"),
            lambda: store.newest(tx, "many-2"),
            lambda: store.published_after(tx, "many-100", 200),
        ),
        "offers": (
            lambda: store.offers_of(tx, "supplier-2"),
            lambda: store.offers_of(tx, "supplier-3"),
            lambda: store.count_own(tx, "many-2", "supplier-1"),
            lambda: store.count_own(tx, "many-6", "supplier-2"),
            lambda: endings.end_some(tx, ending, 1),
            lambda: store.lock_expired(tx, tx.now.date() - timedelta(days=365 * 200), 200),
        ),
        "changes": (lambda: _changes(tx, 0), lambda: _changes(tx, 20)),
    }


async def _changes(tx: Transaction, start: int) -> Any:
    return await store.changed_in(tx, store.TransactionSpan(start, 10**9, 0), None, 200)


async def test_nothing_reads_all_that_ever_was(market: Market) -> None:
    sku_id = await Stall(market).published("Pattern")
    async with rolled_back(market.resources.database, "catalogue") as (tx, db):
        await _years(db, sku_id)
        for table, questions in _asked(tx).items():
            for ask in questions:
                async with recording_queries(db, tx) as reading:
                    await ask()
                reading.queries = [each for each in reading.queries if table in each[0]]
                if reading.queries:
                    assert await reading.rows_of(db, table) <= BOUND, reading.queries
        queue = await proposals.queue(tx, limit=20, offset=100)
        assert (queue.total, queue.more, queue.end) == (COUNTED, True, None)
        assert len(await proposals.proposals_of(tx, "even")) == 50


async def test_changes_come_in_portions_and_each_once(market: Market) -> None:
    sku_id = await Stall(market).published("Pattern")
    async with rolled_back(market.resources.database, "catalogue") as (tx, db):
        await db.execute("delete from catalogue.changes")
        await _years(db, sku_id)
        span, last, seen = store.TransactionSpan(10, 20, 0), None, []
        while portion := await store.changed_in(tx, span, last, 300):
            assert len(portion) <= 300
            seen += [changed for _, changed in portion]
            last = portion[-1]
        assert len(seen) == len(set(seen)) == 10_000
