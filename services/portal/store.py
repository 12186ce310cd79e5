"""The portal's copies. Imported contracts come in tens of thousands, so events that came together are written in one
statement, and totals are counted as they come. SQL is written by hand here for JSON, lists and upserts."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Index, Numeric, Text, delete, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel, col, select

from events.auctions import AuctionExtended, AuctionOpened, BidAccepted, BidDeleted, RoundBegan
from events.codec import Event
from events.contracts import ContractConcluded, ContractEnded
from events.pools import PoolExtended, PoolMemberEnrolled, PoolMemberWithdrew, PoolOpened
from events.quotes import QuoteRequestOpened
from infra.database import Transaction, columns, schema_of
from infra.listing import COUNTED, count
from infra.reading import listed


class Row(SQLModel, registry=schema_of("portal")):
    """Base of the rows of this schema."""


class OpeningRow(Row, table=True):
    """An auction that takes bids, a request that takes quotes, or a pool that enrols; ``bids`` counts an auction's,
    ``members`` names a pool's. If bids may be deleted, ``standing`` has the amounts of each participant's last two
    bids, latest first."""

    __tablename__ = "openings"
    __table_args__ = (Index(None, "kind", "closes_at"),)

    opening_id: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    initial_price: Decimal | None = Field(default=None, sa_type=Numeric)
    price: Decimal | None = Field(default=None, sa_type=Numeric)
    bids: int = Field(default=0)
    standing: dict[str, list[str]] | None = Field(default=None, sa_column=Column(JSONB))
    members: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    closes_at: datetime = Field(sa_type=DateTime(timezone=True))


class ContractRow(Row, table=True):
    __tablename__ = "contracts"
    __table_args__ = (Index("ix_contracts_latest", text("signed_at desc"), "contract_id"),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    supplier_name: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    amount: Decimal | None = Field(default=None, sa_type=Numeric)
    signed_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    imported: bool
    """The contract has no page in this market, but one at its source."""


class TotalRow(Row, table=True):
    """Totals of the concluded contracts in one currency; "" if none was given."""

    __tablename__ = "totals"

    currency: str = Field(primary_key=True, sa_type=Text)
    contracts: int = Field(sa_type=BigInteger)
    amount: Decimal = Field(sa_type=Numeric)


class SupplierRow(Row, table=True):
    __tablename__ = "suppliers"

    organisation_id: str = Field(primary_key=True, sa_type=Text)


class PortalOpening(msgspec.Struct, frozen=True, kw_only=True):
    opening_id: str
    title: str
    buyer_name: str
    place: str
    currency: str
    initial_price: Decimal | None
    price: Decimal | None
    bids: int
    members: list[str]
    closes_at: datetime


class PortalContract(msgspec.Struct, frozen=True, kw_only=True):
    contract_id: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    currency: str
    amount: Decimal | None
    signed_at: datetime
    imported: bool


class Total(msgspec.Struct, frozen=True):
    currency: str
    contracts: int
    amount: Decimal


async def totals(tx: Transaction) -> list[Total]:
    """Totals by currency, largest number of contracts first."""
    rows = await tx.session.exec(select(TotalRow).order_by(col(TotalRow.contracts).desc(), TotalRow.currency))
    return [Total(row.currency, row.contracts, row.amount) for row in rows if row.contracts]


async def latest_contracts(tx: Transaction, shown: int) -> list[PortalContract]:
    rows = await tx.session.exec(
        select(ContractRow).order_by(col(ContractRow.signed_at).desc(), ContractRow.contract_id).limit(shown)
    )
    return listed("portal.contracts", rows, lambda row: row.contract_id, _contract)


async def open_now(tx: Transaction, kind: str) -> int:
    rows = "select from portal.openings where kind = $1 and closes_at > $2"
    return await count(await tx.raw(), rows, kind, tx.now)


async def suppliers(tx: Transaction) -> int:
    """The number of suppliers, exact up to COUNTED; above it the database's estimate, which needs no counting, because
    every open page asks for it every few seconds."""
    db = await tx.raw()
    counted = await count(db, "select from portal.suppliers")
    if counted <= COUNTED:
        return counted
    reckoned: int = await db.fetchval("select reltuples::bigint from pg_class where oid = 'portal.suppliers'::regclass")
    return max(counted, reckoned)


async def openings(tx: Transaction, kind: str, shown: int) -> list[PortalOpening]:
    query = (
        select(OpeningRow)
        .where(OpeningRow.kind == kind, OpeningRow.closes_at > tx.now)
        .order_by(col(OpeningRow.closes_at))
        .limit(shown)
    )
    rows = await tx.session.exec(query)
    return listed("portal.openings", rows, lambda row: f"{kind}/{row.opening_id}", _opening)


def _contract(row: ContractRow) -> PortalContract:
    return msgspec.convert(row, PortalContract, from_attributes=True)


def _opening(row: OpeningRow) -> PortalOpening:
    return msgspec.convert(row, PortalOpening, from_attributes=True)


async def open_auction(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        """insert into portal.openings (opening_id, kind, title, buyer_name, place, currency, initial_price, price, bids,
               standing, members, closes_at)
           values ($1, 'auction', $2, $3, $4, $5, $6, $6, 0, $8::text::jsonb, '{}', $7) on conflict do nothing""",
        event.auction_id,
        event.title,
        event.buyer_name,
        event.place.locality or event.place.region or event.place.country or "",
        event.currency,
        event.initial_price,
        event.closes_at,
        "{}" if event.rules and event.rules.delete_seconds else None,
    )


async def take_bid(tx: Transaction, event: BidAccepted) -> None:
    """Store a bid. A bid that comes after a later one changes nothing. A bid above the lowest does not lead; if bids
    are scored, the lowest need not lead, and the leader is not known here."""
    await (await tx.raw()).execute(
        "update portal.openings set price = least(price, $2::numeric), bids = $3, closes_at = $4,"
        " standing = standing || jsonb_build_object($5::text, jsonb_build_array($6::numeric, standing->$5->0))"
        " where opening_id = $1 and bids < $3",
        event.auction_id,
        None if event.score else event.amount,
        event.sequence,
        event.closes_at,
        str(event.participant),
        event.amount,
    )


async def delete_bid(tx: Transaction, event: BidDeleted) -> None:
    """Delete a bid: the bidder's previous bid is valid again, and the price is the lowest valid one."""
    await (await tx.raw()).execute(
        """update portal.openings o set standing = after.standing, price = coalesce(
             (select min((bids->>0)::numeric) from jsonb_each(after.standing) as each (participant, bids)), o.initial_price)
           from (select opening_id, jsonb_set(standing, array[$2], (standing->$2) - 0) as standing from portal.openings
                 where opening_id = $1 and standing ? $2) as after
           where o.opening_id = after.opening_id""",
        event.auction_id,
        str(event.participant),
    )


async def open_quote_request(tx: Transaction, event: QuoteRequestOpened) -> None:
    await (await tx.raw()).execute(
        """insert into portal.openings (opening_id, kind, title, buyer_name, place, currency, bids, members, closes_at)
           values ($1, 'quote', $2, $3, $4, $5, 0, '{}', $6) on conflict do nothing""",
        event.request_id,
        event.title,
        event.buyer_name,
        event.place.locality or event.place.region or event.place.country or "",
        event.currency,
        event.closes_at,
    )


async def open_pool(tx: Transaction, event: PoolOpened) -> None:
    await (await tx.raw()).execute(
        """insert into portal.openings (opening_id, kind, title, buyer_name, place, currency, bids, members, closes_at)
           values ($1, 'pool', $2, $3, $4, $5, 0, '{}', $6) on conflict do nothing""",
        event.pool_id,
        event.title,
        event.lead_name,
        ", ".join(event.regions),
        event.currency,
        event.enrolment_ends_at,
    )


async def count_member(tx: Transaction, event: PoolMemberEnrolled | PoolMemberWithdrew) -> None:
    again = " || array[$2]" if isinstance(event, PoolMemberEnrolled) else ""
    await (await tx.raw()).execute(
        f"update portal.openings set members = array_remove(members, $2::text){again} where opening_id = $1",
        event.pool_id,
        event.member_id,
    )


async def extend(tx: Transaction, event: AuctionExtended | RoundBegan | PoolExtended) -> None:
    closes_at = event.enrolment_ends_at if isinstance(event, PoolExtended) else event.closes_at
    await tx.session.exec(
        update(OpeningRow).where(col(OpeningRow.opening_id) == event.subject).values(closes_at=closes_at)
    )


async def close(tx: Transaction, event: Event) -> None:
    """Remove the opening to which the event belongs. A request for quotes that is withdrawn closes without a
    deadline."""
    await tx.session.exec(delete(OpeningRow).where(col(OpeningRow.opening_id) == event.subject))


async def add_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Add contracts, and add the new ones to the totals."""
    if not events:
        return
    rows = [
        (
            event.contract_id,
            event.title,
            event.buyer_id,
            event.buyer_name,
            event.supplier_id,
            event.supplier_name,
            event.currency or "",
            event.amount,
            event.signed_at,
            event.source is not None,
        )
        for event in events
    ]
    await (await tx.raw()).execute(
        """with fresh as (
             insert into portal.contracts (contract_id, title, buyer_id, buyer_name, supplier_id, supplier_name, currency,
                 amount, signed_at, imported)
             select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                 $8::numeric[], $9::timestamptz[], $10::bool[])
             on conflict do nothing returning currency, amount)
           insert into portal.totals as old (currency, contracts, amount)
           select currency, count(*), coalesce(sum(amount), 0) from fresh group by currency order by currency
           on conflict (currency) do update
             set contracts = old.contracts + excluded.contracts, amount = old.amount + excluded.amount""",
        *columns(rows),
    )


async def drop_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    """Remove contracts that were cancelled after their conclusion; an unknown one was never counted."""
    if not events:
        return
    await (await tx.raw()).execute(
        """with gone as (delete from portal.contracts where contract_id = any($1::text[]) returning currency, amount),
           less as (select currency, count(*) as contracts, coalesce(sum(amount), 0) as amount from gone group by currency)
           update portal.totals set contracts = totals.contracts - less.contracts, amount = totals.amount - less.amount
           from less where totals.currency = less.currency""",
        [event.contract_id for event in events],
    )


async def add_suppliers(tx: Transaction, organisation_ids: Sequence[str]) -> None:
    await (await tx.raw()).execute(
        "insert into portal.suppliers (organisation_id) select unnest($1::text[]) on conflict do nothing",
        organisation_ids,
    )
