"""Rows of quick quotes: the state of each request, one row for each quote, and every version of each quote.

The cost of writing one quote does not depend on the others. Only :func:`comparison` reads a part of all quotes, and
:func:`whole` reads everything, a few quotes at a time.

SQL is written by hand here for JSON, views and aggregates.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Numeric, Text, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col

from catalogue.policy import Policy, of_process
from infra.database import Transaction, json_text, schema_of, write_expected
from infra.listing import OF_WORDS
from infra.reading import read_apart, read_one
from infra.states import States
from services.market.replicas import OrganisationReplicas, ReferencePrices, Skus
from services.quotes.domain.request import Comparison, Quote, Request, StandingQuote


class Row(SQLModel, registry=schema_of("quotes")):
    """Base class of all tables in this schema."""


INSTANT = DateTime(timezone=True)

organisations = OrganisationReplicas(Row.metadata)
skus = Skus(Row.metadata, searched=True)
references = ReferencePrices(Row.metadata)


_UNDECIDED = "stage in ('open', 'choosing')"


class RequestRow(Row, table=True):
    """``state`` is the domain's request. ``attend_at`` is when the timer looks at it next. ``contract`` is what the
    choice led to. ``quoted`` is the number of quotes that stand. If ``kept_apart`` is not null, quotes have rows of
    their own; its value is the ``version`` at which the state was written last, and a writer that does not know it is
    told to wait (see the migration).

    A request that the former release opened has its quotes in ``state``, ``due_at`` instead of ``attend_at``, and no
    ``quoted``.
    """

    __tablename__ = "quote_requests"
    __table_args__ = (
        Index("ix_quote_requests_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("ix_quote_requests_attend", "attend_at", postgresql_where=text("attend_at is not null")),
        Index("ix_quote_requests_latest", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_of_buyer", "buyer_id", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_open_of_buyer", "buyer_id", postgresql_where=text(_UNDECIDED)),
        Index("ix_quote_requests_in_region", "region", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_in_country", "country", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_category", text("category text_pattern_ops")),
        Index("ix_quote_requests_words", text("to_tsvector('simple', title)"), **OF_WORDS),
    )

    request_id: str = Field(primary_key=True, sa_type=Text)
    stage: str = Field(sa_type=Text, index=True)
    buyer_id: str = Field(sa_type=Text, index=True)
    title: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    country: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    opened_at: datetime = Field(sa_type=INSTANT)
    closes_at: datetime = Field(sa_type=INSTANT, index=True)
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    contract: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = Field(default=0, sa_type=BigInteger)
    attend_at: datetime | None = Field(default=None, sa_type=INSTANT)
    quoted: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    kept_apart: int | None = Field(default=None, sa_type=BigInteger)


class QuoteRow(Row, table=True):
    """One supplier's quote at its latest version, whose body is in ``versions``. ``number`` is the participant number,
    set at the deadline."""

    __tablename__ = "quotes"

    request_id: str = Field(primary_key=True, sa_type=Text, foreign_key="quotes.quote_requests.request_id")
    supplier_id: str = Field(primary_key=True, sa_type=Text)
    quote_id: str = Field(sa_type=Text)
    version: int
    amount: Decimal = Field(sa_type=Numeric)
    vat_rate: Decimal = Field(sa_type=Numeric)
    delivery_days: int
    arrived_at: datetime = Field(sa_type=INSTANT)
    withdrawn: bool
    number: int | None = None


class VersionRow(Row, table=True):
    """What a quote said from ``at`` until the next version. Rows never change. ``body`` is the domain's quote."""

    __tablename__ = "versions"

    request_id: str = Field(primary_key=True, sa_type=Text, foreign_key="quotes.quote_requests.request_id")
    supplier_id: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    at: datetime = Field(sa_type=INSTANT)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class QuoteContract(msgspec.Struct, frozen=True, kw_only=True):
    """The latest contract that the choice led to; ``state`` is drafted, concluded or ended."""

    contract_id: str
    supplier_id: str
    supplier_name: str
    state: str


class StoredRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request and its version. Version 0 means that it is not stored yet. ``apart`` says that its quotes have rows of
    their own."""

    request: Request
    contract: QuoteContract | None = None
    version: int = 0
    apart: bool = True

    @property
    def policy(self) -> Policy:
        """Return the policy under which the request was opened."""
        return of_process(self.request.opened.policy_text, self.request.opened.policy)


_NO_QUOTES: dict[str, dict[str, object]] = {"quotes": {}, "numbers": {}}
"""The part of a state whose quotes have their own rows that the former release expects."""
PORTION = 8
"""How many quotes are read into memory with their lines at once, since each can have a hundred lines of thousands of
letters."""


def _stored(row: asyncpg.Record) -> StoredRequest:
    request = msgspec.json.decode(row["state"], type=Request)
    return StoredRequest(
        request=msgspec.structs.replace(request, quoted=row["quoted"]),
        contract=msgspec.json.decode(row["contract"], type=QuoteContract) if row["contract"] else None,
        version=row["version"],
        apart=row["apart"],
    )


_requests = States(
    RequestRow,
    "quote request",
    _stored,
    columns="contract::text as contract, kept_apart is not null as apart, case when kept_apart is not null then quoted else"
    " jsonb_array_length(jsonb_path_query_array(state, '$.quotes.* ? (!(@.withdrawn == true))')) end as quoted",
    state="state - '{quotes,numbers}'::text[]",
    due="attend_at <= $1 or due_at <= $1",
    turn="coalesce(attend_at, due_at)",
)
"""Requests are read without their quotes."""
get, lock, lock_due = _requests.get, _requests.lock, _requests.lock_due


async def quote_of(tx: Transaction, request_id: str, supplier_id: str) -> Quote | None:
    """Return the supplier's latest version, even if it was withdrawn, or None."""
    sql = "select quote_id, body::text from quotes.sealed where request_id = $1 and supplier_id = $2"
    row = await (await tx.raw()).fetchrow(sql, request_id, supplier_id)
    return read_one("quote", row["quote_id"], _quote, row) if row else None


async def quote_of_number(tx: Transaction, request_id: str, number: int) -> Quote | None:
    """Return the quote of this participant number, or None. There are numbers only after the deadline."""
    sql = "select quote_id, body::text from quotes.sealed where request_id = $1 and number = $2 and not withdrawn"
    row = await (await tx.raw()).fetchrow(sql, request_id, number)
    return read_one("quote", row["quote_id"], _quote, row) if row else None


async def comments(tx: Transaction, request_id: str, supplier_ids: Sequence[str], letters: int) -> dict[str, str]:
    """Return the beginnings of these suppliers' comments by supplier. Nothing else of the quotes is read."""
    rows = await (await tx.raw()).fetch(
        "select supplier_id, left(body ->> 'comment', $3) as comment from quotes.sealed"
        " where request_id = $1 and supplier_id = any($2::text[])",
        request_id,
        list(supplier_ids),
        letters,
    )
    return {row["supplier_id"]: row["comment"] or "" for row in rows}


async def number_of(tx: Transaction, request_id: str, supplier_id: str) -> int | None:
    """Return the supplier's participant number, or None before the deadline."""
    sql = "select number from quotes.sealed where request_id = $1 and supplier_id = $2"
    return await (await tx.raw()).fetchval(sql, request_id, supplier_id)  # type: ignore[no-any-return]


async def comparison(tx: Transaction, request_id: str) -> Comparison:
    """Return the totals of every valid quote."""
    rows = await (await tx.raw()).fetch(
        "select quote_id, supplier_id, version, amount, vat_rate, delivery_days, arrived_at, withdrawn, number"
        " from quotes.sealed where request_id = $1",
        request_id,
    )
    numbers = {row["supplier_id"]: row["number"] for row in rows if row["number"] is not None}
    names = StandingQuote.__struct_fields__
    return Comparison.of((StandingQuote(**{name: row[name] for name in names}) for row in rows), numbers)


async def whole(tx: Transaction, request_id: str, supplier_ids: Sequence[str]) -> AsyncIterator[list[Quote]]:
    """Yield these suppliers' quotes with their lines, in this order, in portions. They are decoded in a thread."""
    db = await tx.raw()
    for start in range(0, len(supplier_ids), PORTION):
        portion = list(supplier_ids[start : start + PORTION])
        rows = await db.fetch(
            "select quote_id, body::text from unnest($2::text[]) with ordinality as wanted (supplier_id, place)"
            " join quotes.sealed using (supplier_id) where request_id = $1 order by place",
            request_id,
            portion,
        )
        yield await read_apart("quote", rows, itemgetter("quote_id"), _quote)


def _quote(row: asyncpg.Record) -> Quote:
    return msgspec.json.decode(row["body"], type=Quote)


async def count_open(tx: Transaction, buyer_id: str) -> int:
    """Return how many undecided requests the buyer has. Another opening by this buyer waits until the transaction ends."""
    await tx.lock_name(f"lonja/asking/{buyer_id}")
    db = await tx.raw()
    found: int = await db.fetchval(
        f"select count(*) from quotes.quote_requests where buyer_id = $1 and {_UNDECIDED}", buyer_id
    )
    return found


async def save(tx: Transaction, kept: StoredRequest, attend_at: datetime | None) -> None:
    """Save the state. ``kept`` is new, or locked at the version that was read, and its quotes have their own rows.
    Raise Outdated."""
    request, opened = kept.request, kept.request.opened
    values = {
        "request_id": opened.request_id,
        "stage": request.stage.value,
        "buyer_id": opened.buyer_id,
        "title": opened.title,
        "category": opened.category.code,
        "country": opened.place.country or "",
        "region": opened.place.region or "",
        "opened_at": opened.opened_at,
        "closes_at": opened.closes_at,
        "attend_at": attend_at,
        "state": json_text(msgspec.to_builtins(request) | _NO_QUOTES),
        "kept_apart": kept.version + 1,
        "quoted": request.quoted,
        "version": kept.version,
    }
    await _requests.save(tx, values)


async def seal(tx: Transaction, kept: StoredRequest, quote: Quote) -> None:
    """Store a new version of a quote, and the number of quotes that stand with it. ``kept`` is locked and its quotes
    have their own rows; its state does not change."""
    db = await tx.raw()
    request_id = kept.request.opened.request_id
    await db.execute(
        "insert into quotes.versions (request_id, supplier_id, version, at, body) values ($1, $2, $3, $4, $5::text::jsonb)",
        request_id,
        quote.supplier_id,
        quote.version,
        quote.arrived_at,
        msgspec.json.encode(quote).decode(),
    )
    await db.execute(
        "insert into quotes.quotes (request_id, supplier_id, quote_id, version, amount, vat_rate, delivery_days, arrived_at, withdrawn)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (request_id, supplier_id) do update set version = excluded.version,"
        " amount = excluded.amount, vat_rate = excluded.vat_rate, delivery_days = excluded.delivery_days,"
        " arrived_at = excluded.arrived_at, withdrawn = excluded.withdrawn",
        request_id,
        quote.supplier_id,
        quote.quote_id,
        quote.version,
        quote.amount,
        quote.vat_rate,
        quote.delivery_days,
        quote.arrived_at,
        quote.withdrawn,
    )
    await write_expected(
        db,
        "update quotes.quote_requests set quoted = $2, version = $3 + 1 where request_id = $1 and version = $3",
        request_id,
        kept.request.quoted,
        kept.version,
    )


async def number_participants(tx: Transaction, request_id: str, numbers: dict[str, int]) -> None:
    """Store the participant numbers, once quoting is over."""
    await (await tx.raw()).execute(
        "update quotes.quotes q set number = given.number from unnest($2::text[], $3::int[]) as given (supplier_id, number)"
        " where q.request_id = $1 and q.supplier_id = given.supplier_id",
        request_id,
        list(numbers),
        list(numbers.values()),
    )


async def keep_apart(tx: Transaction, kept: StoredRequest) -> StoredRequest:
    """Return the same locked request with its quotes in rows of their own. The database moves quotes that the former
    release wrote."""
    if kept.apart:
        return kept
    db = await tx.raw()
    request_id = kept.request.opened.request_id
    columns = (
        "request_id, supplier_id, quote_id, version, amount, vat_rate, delivery_days, arrived_at, withdrawn, number"
    )
    await db.execute(
        f"insert into quotes.quotes ({columns}) select {columns} from quotes.sealed where request_id = $1", request_id
    )
    await write_expected(
        db,
        'update quotes.quote_requests set state = state || \'{"quotes": {}, "numbers": {}}\', quoted = $2, version = $3 + 1,'
        " kept_apart = $3 + 1, attend_at = due_at, due_at = null where request_id = $1 and version = $3",
        request_id,
        kept.request.quoted,
        kept.version,
    )
    return msgspec.structs.replace(kept, version=kept.version + 1, apart=True)


async def set_contract(tx: Transaction, request_id: str, contract: QuoteContract) -> None:
    """Set the contract. The version increases, so that live pages show it."""
    await tx.session.exec(
        update(RequestRow)
        .where(col(RequestRow.request_id) == request_id)
        .values(contract=msgspec.to_builtins(contract), version=RequestRow.version + 1)
    )
