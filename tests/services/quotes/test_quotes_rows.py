"""What one quote costs beside many large ones, and a request that the former release opened."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuotingEnded
from infra.away import is_away
from infra.database import Transaction
from infra.ids import new_id
from infra.tokens import Principal
from services.quotes import handlers
from services.quotes.handlers import NewQuote
from services.quotes.views import read, read_participant
from tests.explained import rolled_back
from tests.market import Market
from tests.services.quotes.test_quotes_service import (
    a_buyer,
    a_member,
    a_supplier,
    a_text_line,
    asked,
    choice,
    in_stage,
    number_of,
    quote,
    seen,
    two_quotes,
)

MANY = 45
LINES = 100
LONG = "A description as long as it may be. " * 8


class Work:
    """What a transaction read and wrote in the tables of quotes, as the database counts it: rows, pieces of 2 kB of
    long rows, and statements."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db
        self.statements = 0

    def heard(self, said: Any) -> None:
        self.statements += "pg_stat_xact" not in said.query

    async def so_far(self) -> Counter[str]:
        rows = await self._db.fetch(
            "select coalesce(large.relname, s.relname) as name, s.relid <> large.oid as pieces,"
            " seq_tup_read + coalesce(idx_tup_fetch, 0) as read, n_tup_ins + n_tup_upd + n_tup_del as written"
            " from pg_stat_xact_all_tables s left join pg_class large on large.reltoastrelid = s.relid or large.oid = s.relid"
            " where large.relnamespace = 'quotes'::regnamespace"
        )
        found: Counter[str] = Counter(statements=self.statements)
        for row in rows:
            for how in ("read", "written"):
                found[f"{row['name']}{' pieces' if row['pieces'] else ''} {how}"] = row[how]
        return found


async def _suppliers(db: asyncpg.Connection, pattern: str, many: int) -> list[Principal]:
    members = [a_member("supplier_agent", organisation_id=f"supplier-{number:02d}") for number in range(many)]
    await db.execute(
        "insert into quotes.organisations select made.* from quotes.organisations o, unnest($2::text[]) id,"
        " jsonb_populate_record(o, jsonb_build_object('organisation_id', id,"
        " 'body', o.body || jsonb_build_object('organisation_id', id, 'name', 'Name of ' || id))) made where o.organisation_id = $1",
        pattern,
        [member.organisation_id for member in members],
    )
    return members


async def test_a_quote_costs_the_same_however_many_large_ones_there_are(market: Market) -> None:
    lines = [a_text_line(description=f"{LONG}{number:03d}") for number in range(LINES)]
    request_id = await asked(market, await a_buyer(market), lines=lines)
    pattern = await a_supplier(market)
    async with rolled_back(market.resources.database, "quotes") as (tx, db):
        await db.execute("set local enable_seqscan = off")  # the tables of a test are too small for indexes
        work = Work(db)
        db.add_query_logger(work.heard)
        costs: dict[str, list[Counter[str]]] = {"first": [], "changed": [], "withdrawn": [], "sent again": []}
        for member in await _suppliers(db, pattern.organisation_id, MANY):
            for act, price in (("first", 2), ("changed", 3), ("withdrawn", 0), ("sent again", 4)):
                before = await work.so_far()
                if price:
                    await _submit(tx, request_id, member, price, market)
                else:
                    await handlers.withdraw(tx, request_id, member, market.clock())
                shown = await read(tx, request_id, member)
                await tx.flush()
                costs[act].append(await work.so_far() - before)
                assert shown.mine and len(shown.mine.lines) == LINES
        assert shown.quotes == MANY
        db.remove_query_logger(work.heard)
    print(costs["first"][0])
    for act, each in costs.items():
        assert each[0]["versions pieces written"] > 0, "it is large"
        assert each[-1] == each[0], act
    assert costs["first"][0]["quote_requests pieces written"] == 0


async def test_the_events_of_many_large_quotes_are_small_and_their_lines_are_read_one_quote_at_a_time(
    market: Market,
) -> None:
    """Bytes of the answer, by participant. A choice reads every quote once, and writes every event once."""
    buyer, pattern = await a_buyer(market), await a_supplier(market)
    lines = [a_text_line(description=f"{LONG}{number:03d}") for number in range(LINES)]
    request_id = await asked(market, buyer, lines=lines)
    async with rolled_back(market.resources.database, "quotes") as (tx, db):
        for number, member in enumerate(await _suppliers(db, pattern.organisation_id, MANY), start=1):
            await _submit(tx, request_id, member, 2, market, comment="A comment that is long. " * 40)
            await db.execute(
                "update quotes.quotes set number = $3 where request_id = $1 and supplier_id = $2",
                request_id,
                member.organisation_id,
                number,
            )
        await db.execute(
            "update quotes.quote_requests set stage = 'choosing', state = state || '{\"stage\": \"choosing\"}' where request_id = $1",
            request_id,
        )
        shown = await read(tx, request_id, buyer)
        assert shown.participants is not None and len(shown.participants) == MANY
        assert not any(one.lines for one in shown.participants)
        assert all(one.comment_cut and len(one.comment) <= 300 for one in shown.participants)
        assert len(msgspec.json.encode(shown.participants)) < 1_000 * MANY
        one = await read_participant(tx, request_id, 7, buyer)
        assert len(one.lines) == LINES and one.lines[0].description.startswith(LONG.strip()[:30])
        whole = ("A comment that is long. " * 40).strip()
        assert (one.number, one.comment, one.comment_cut) == (7, whole, False)
        work = Work(db)
        before = await work.so_far()
        db.add_query_logger(work.heard)
        await handlers.choose(tx, request_id, 7, "", buyer)
        await tx.flush()
        db.remove_query_logger(work.heard)
        spent = await work.so_far() - before
        assert spent["outbox written"] == MANY + 1
        assert spent["statements"] < MANY, "portions of several quotes"
        other = await read_participant(tx, request_id, 7, pattern)
        assert (other.lines, other.comment) == ((), "")


async def _submit(
    tx: Transaction, request_id: str, member: Principal, price: int, market: Market, comment: str = ""
) -> None:
    prices = {str(number): Decimal(price) for number in range(1, LINES + 1)}
    wanted = NewQuote(prices=prices, delivery_days=3, comment=comment)
    await handlers.submit(tx, request_id, wanted, member, market.clock(), new_id())


async def as_the_former_release_keeps_it(market: Market, request_id: str) -> None:
    """Store all quotes in the state, and none in a row of its own."""
    await market.fetch(
        "update quotes.quote_requests set due_at = attend_at, attend_at = null, quoted = 0, kept_apart = null,"
        " state = state - 'quoted' || (select jsonb_build_object('quotes', coalesce(jsonb_object_agg(supplier_id, body), '{}'), 'numbers',"
        " coalesce(jsonb_object_agg(supplier_id, number) filter (where number is not null), '{}')) from quotes.sealed s where"
        " s.request_id = quote_requests.request_id) where request_id = $1",
        request_id,
    )
    await market.fetch("delete from quotes.quotes where request_id = $1", request_id)


SAVE = (
    "insert into quotes.quote_requests (request_id, stage, buyer_id, title, category, country, region, opened_at, closes_at, due_at, state,"
    " version) select request_id, stage, buyer_id, title, category, country, region, opened_at, closes_at, closes_at, state, version + 1"
    " from quotes.quote_requests where request_id = $1 on conflict (request_id) do update set stage = excluded.stage,"
    " due_at = excluded.due_at, state = excluded.state, version = excluded.version"
)
"""How the former release writes a request after every change."""


class TestOfTheFormerRelease:
    async def test_its_quotes_are_read_and_it_goes_on_to_the_contract(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await two_quotes(market)
        await as_the_former_release_keeps_it(market, request_id)
        assert (await seen(market, request_id))["quotes"] == 2
        assert (await seen(market, request_id, dear))["mine"]["amount"] == "15308.62"
        changed = (await quote(market, request_id, dear, "7000")).json()
        assert (changed["quotes"], changed["mine"]["version"], changed["mine"]["amount"]) == (2, 2, "14000.00")
        market.clock.advance(timedelta(minutes=11))
        await in_stage(market, request_id, "choosing")
        assert [each["amount"] for each in (await seen(market, request_id, buyer))["participants"]] == [
            "13086.42",
            "14000.00",
        ]
        await choice(market, request_id, buyer, await number_of(market, request_id, cheap))
        told = [each for each in await market.published("quotes", QuoteDisclosed) if each.request_id == request_id]
        assert [(each.supplier_id, each.amount) for each in told] == [
            (cheap.organisation_id, Decimal("13086.42")),
            (dear.organisation_id, Decimal("14000.00")),
        ]

    async def test_the_timer_ends_it_with_all_its_quotes(self, market: Market) -> None:
        request_id, *_ = await two_quotes(market)
        await as_the_former_release_keeps_it(market, request_id)
        market.clock.advance(timedelta(minutes=11))
        await in_stage(market, request_id, "choosing")
        (told,) = [each for each in await market.published("quotes", QuotingEnded) if each.request_id == request_id]
        assert told.quotes == 2

    async def test_one_that_waits_for_its_choice_or_is_over_is_read_unchanged(self, market: Market) -> None:
        request_id, buyer, dear, cheap = await two_quotes(market)
        market.clock.advance(timedelta(minutes=11))
        await in_stage(market, request_id, "choosing")
        before = {reader: await seen(market, request_id, reader) for reader in (buyer, dear)}
        await as_the_former_release_keeps_it(market, request_id)
        assert {reader: await seen(market, request_id, reader) for reader in (buyer, dear)} == before
        await choice(market, request_id, buyer, await number_of(market, request_id, cheap))
        (closed,) = [
            each for each in await market.published("quotes", QuoteRequestClosed) if each.request_id == request_id
        ]
        assert (closed.quotes, closed.winner_id, closed.lines[0].amount) == (
            2,
            cheap.organisation_id,
            Decimal("13086.42"),
        )
        over = await seen(market, request_id)
        await as_the_former_release_keeps_it(market, request_id)
        assert await seen(market, request_id) == over

    async def test_it_waits_before_it_writes_to_a_request_whose_quotes_it_cannot_read(self, market: Market) -> None:
        request_id, *_ = await two_quotes(market)
        with pytest.raises(asyncpg.LockNotAvailableError) as refused:
            await market.fetch(SAVE, request_id)
        assert is_away(refused.value)
        (row,) = await market.fetch("select due_at from quotes.quote_requests where request_id = $1", request_id)
        assert row["due_at"] is None, "its timer does not see it"
        await as_the_former_release_keeps_it(market, request_id)
        await market.fetch(SAVE, request_id)

    async def test_it_records_contracts_of_every_request(self, market: Market) -> None:
        request_id, *_ = await two_quotes(market)
        await market.fetch(
            "update quotes.quote_requests set contract = $2::text::jsonb, version = version + 1 where request_id = $1",
            request_id,
            '{"contract_id": "c", "supplier_id": "s", "supplier_name": "S", "state": "drafted"}',
        )
        assert (await seen(market, request_id))["contract"]["contract_id"] == "c"
