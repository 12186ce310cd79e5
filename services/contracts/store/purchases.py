"""Direct purchases: requested, then answered once."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec

from catalogue.policy.buying import PurchaseRules
from events.contracts import PurchaseRequested
from infra.listing import count
from infra.reading import Unreadable, listed, read_one, readable
from services.contracts.domain.purchases import Purchase

_COLUMNS = "process_id, state::text as state, requested_at, answered_at, reason, version"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase as it stands at a version; 0: not stored yet. ``reason`` is the supplier's."""

    purchase: Purchase
    requested_at: datetime
    answered_at: datetime | None = None
    reason: str = ""
    version: int = 0

    @property
    def process_id(self) -> str:
        return self.purchase.requested.process_id

    def concerns(self, organisation_id: str) -> bool:
        requested = self.purchase.requested
        return organisation_id in (requested.buyer_id, requested.supplier_id)


async def get(db: asyncpg.Connection | asyncpg.Pool, process_id: str, *, lock: bool = False) -> Kept | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from contracts.purchases where process_id = $1" + (" for update" if lock else ""),
        process_id,
    )
    return read_one("purchase", row["process_id"], _kept, row) if row else None


async def lock_due(
    db: asyncpg.Connection, now: datetime, limit: int, but: Sequence[str] = ()
) -> list[Kept | Unreadable[str]]:
    rows = await db.fetch(
        f"select {_COLUMNS} from contracts.purchases where due_at <= $1 and process_id <> all($3::text[])"
        " order by due_at limit $2 for update skip locked",
        now,
        limit,
        but,
    )
    return readable(rows, itemgetter("process_id"), _kept)


async def listing(
    db: asyncpg.Connection | asyncpg.Pool, organisation_id: str, *, limit: int, offset: int = 0, open_only: bool = False
) -> list[Kept]:
    """An organisation's own, unanswered first, then the latest first."""
    rows = await db.fetch(
        f"select {_COLUMNS} from contracts.purchases where $1 in (buyer_id, supplier_id)"
        + (" and due_at is not null" if open_only else "")
        + " order by due_at nulls last, requested_at desc, process_id limit $2 offset $3",
        organisation_id,
        limit,
        offset,
    )
    return listed("purchase", rows, itemgetter("process_id"), _kept)


async def count_unanswered(
    db: asyncpg.Connection, requested: PurchaseRequested, rules: PurchaseRules
) -> tuple[int, int]:
    """How many requests of this buyer wait for this supplier and in all, counted no further than the rules need. Nobody else counts
    them before this transaction ends."""
    buyer = requested.buyer_id
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"contracts/purchases/{buyer}")
    waiting = "select from contracts.purchases where due_at is not null and buyer_id = $1"
    to_the_supplier = f"{waiting} and supplier_id = $2"
    return (
        await count(db, to_the_supplier, buyer, requested.supplier_id, most=rules.open_to_one - 1),
        await count(db, waiting, buyer, most=rules.open_in_all - 1),
    )


async def save(db: asyncpg.Connection, kept: Kept) -> None:
    """``kept`` is of the version that was loaded."""
    requested = kept.purchase.requested
    await db.execute(
        "insert into contracts.purchases (process_id, buyer_id, supplier_id, requested_at, due_at, answered_at, reason, state,"
        " version) values ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9 + 1) on conflict (process_id) do update set"
        " due_at = excluded.due_at, answered_at = excluded.answered_at, reason = excluded.reason, state = excluded.state,"
        " version = excluded.version",
        requested.process_id,
        requested.buyer_id,
        requested.supplier_id,
        kept.requested_at,
        None if kept.purchase.answer else requested.due_at,
        kept.answered_at,
        kept.reason,
        msgspec.json.encode(kept.purchase).decode(),
        kept.version,
    )


def _kept(row: asyncpg.Record) -> Kept:
    return Kept(
        **{name: row[name] for name in ("requested_at", "answered_at", "reason", "version")},
        purchase=msgspec.json.decode(row["state"], type=Purchase),
    )
