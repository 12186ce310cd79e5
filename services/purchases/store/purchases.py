"""Direct purchases: each is requested, then answered once. SQL is written by hand here for lists."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import asyncpg
import msgspec

from catalogue.policy.buying import PurchaseRules
from events.contracts import PurchaseRequested
from infra.database import Reader, Transaction, json_text
from infra.ids import derive_id
from infra.listing import count
from infra.reading import listed
from infra.states import States
from services.purchases.domain.purchases import Purchase
from services.purchases.store.rows import PurchaseRow

_SHOWN = (
    "process_id, (case when jsonb_typeof(state) = 'object' then state - '{line,policy,calendar}'::text[] else '{}' end)::text as state,"
    " requested_at, answered_at, reason"
)
CURSOR = r"^([0-9]{0,17}\.[0-9]{1,17}\.[!-~]{1,400})?$"
"""The end of a page, as in ``FoundPurchases.next``, or an empty text."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoredPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase and its version. Version 0 means that it is not stored yet. ``reason`` is the supplier's."""

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

    @property
    def summary(self) -> "ListedPurchase":
        return ListedPurchase(
            requested=self.purchase.requested,
            supplier_name=self.purchase.supplier_name,
            answer=self.purchase.answer,
            requested_at=self.requested_at,
            answered_at=self.answered_at,
            reason=self.reason,
        )


class ListedPurchase(msgspec.Struct, frozen=True, kw_only=True):
    """What one line of a list shows of a purchase. It leaves out the policy of the purchase."""

    requested: PurchaseRequested
    supplier_name: str
    answer: str
    requested_at: datetime
    answered_at: datetime | None
    reason: str


class FoundPurchases(msgspec.Struct, frozen=True):
    """A page of purchases. ``next`` is where the list continues, or "" at its end. It stays right while purchases are
    requested or answered."""

    rows: Sequence[ListedPurchase]
    next: str


def contract_id_of(requested: PurchaseRequested) -> str:
    """Return the id of the contract that follows from an accepted purchase: the first contract of the buyer's deal."""
    return derive_id("contract", requested.process_id, requested.buyer_id, "1")


def _stored(row: asyncpg.Record) -> StoredPurchase:
    return StoredPurchase(
        **{name: row[name] for name in ("requested_at", "answered_at", "reason", "version")},
        purchase=msgspec.json.decode(row["state"], type=Purchase),
    )


_purchases = States(PurchaseRow, "purchase", _stored, columns="requested_at, answered_at, reason")
get, lock, lock_due = _purchases.get, _purchases.lock, _purchases.lock_due


async def listing(
    db: Reader,
    organisation_id: str,
    *,
    limit: int,
    offset: int = 0,
    after: str = "",
    open_only: bool = False,
) -> FoundPurchases:
    """Return a page of an organisation's own purchases: unanswered ones first by earliest deadline, then the others,
    the latest first. The page begins after ``offset`` rows, or after the end of another page (``after`` is its
    ``next``). The number of rows read is bounded by ``limit`` and ``offset``."""
    values: list[object] = [organisation_id]
    stages = ["due_at is not null"] if open_only else ["due_at is not null", "due_at is null"]
    if after:
        due_at, requested_at, process_id = after.split(".", 2)
        values += [_instant(requested_at), process_id]
        later, offset = "(requested_at < $2 or requested_at = $2 and process_id > $3)", 0
        if due_at:
            values.append(_instant(due_at))
            stages[0] = f"due_at >= $4 and (due_at > $4 or {later})"
        else:
            stages = [f"due_at is null and requested_at <= $2 and {later}"]
    sides = ("buyer_id = $1", "supplier_id = $1 and buyer_id <> $1")
    pages = " union all ".join(
        f"(select process_id, due_at, requested_at from purchases.purchases where {side} and {stage}"
        f" order by due_at, requested_at desc, process_id limit {offset + limit + 1})"
        for stage in stages
        for side in sides
    )
    ids = await db.fetch(
        f"select process_id, due_at, requested_at from ({pages}) as found"
        f" order by due_at nulls last, requested_at desc, process_id limit {limit + 1} offset {offset}",
        *values,
    )
    at = {row["process_id"]: place for place, row in enumerate(ids[:limit])}
    rows = await db.fetch(f"select {_SHOWN} from purchases.purchases where process_id = any($1::text[])", list(at))
    shown = listed("purchase", sorted(rows, key=lambda row: at[row["process_id"]]), itemgetter("process_id"), _summary)
    return FoundPurchases(shown, _end_of(ids[limit - 1]) if len(ids) > limit else "")


def _end_of(last: asyncpg.Record) -> str:
    due_at, requested_at = (
        "" if last[name] is None else str((last[name] - _EPOCH) // timedelta(microseconds=1))
        for name in ("due_at", "requested_at")
    )
    return f"{due_at}.{requested_at}.{last['process_id']}"


def _instant(microseconds: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


async def count_unanswered(tx: Transaction, requested: PurchaseRequested, rules: PurchaseRules) -> tuple[int, int]:
    """Return how many requests of this buyer wait for this supplier and how many wait in all, counted no further than
    the rules need. No other transaction counts them until this one ends."""
    db, buyer = await tx.raw(), requested.buyer_id
    await tx.lock_name(f"contracts/purchases/{buyer}")
    waiting = "select from purchases.purchases where due_at is not null and buyer_id = $1"
    to_the_supplier = f"{waiting} and supplier_id = $2"
    return (
        await count(db, to_the_supplier, buyer, requested.supplier_id, most=rules.open_to_one - 1),
        await count(db, waiting, buyer, most=rules.open_in_all - 1),
    )


async def save(tx: Transaction, kept: StoredPurchase) -> None:
    """Save the purchase. ``kept.version`` is the version that was read. Raise Outdated."""
    requested = kept.purchase.requested
    values = {
        "process_id": requested.process_id,
        "buyer_id": requested.buyer_id,
        "supplier_id": requested.supplier_id,
        "requested_at": kept.requested_at,
        "due_at": None if kept.purchase.answer else requested.due_at,
        "answered_at": kept.answered_at,
        "reason": kept.reason,
        "state": json_text(kept.purchase),
        "version": kept.version,
    }
    await _purchases.save(tx, values)


def _summary(row: asyncpg.Record) -> ListedPurchase:
    return msgspec.convert(msgspec.json.decode(row["state"]) | {**row, "state": None}, ListedPurchase)
