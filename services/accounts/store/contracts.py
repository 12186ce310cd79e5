"""The replica of concluded contracts, for the public card of an organisation. SQL is written by hand here for arrays
and lists."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from events.contracts import ContractConcluded, ContractEnded
from infra.database import Transaction, columns
from infra.listing import Listed, count


class PublicContract(msgspec.Struct, frozen=True, kw_only=True):
    """A concluded contract as the public card of an organisation shows it."""

    contract_id: str
    title: str
    partner_id: str
    partner_name: str
    currency: str | None
    amount: Decimal | None
    signed_at: datetime
    imported: bool


async def add_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Store concluded contracts. A contract that is stored already stays as it is."""
    if not events:
        return
    rows = [
        (
            event.contract_id,
            event.process_id,
            event.buyer_id,
            event.buyer_name,
            event.supplier_id,
            event.supplier_name,
            event.title,
            event.currency,
            event.amount,
            event.signed_at,
            event.source is not None,
        )
        for event in events
    ]
    await (await tx.raw()).execute(
        """insert into accounts.contracts (contract_id, process_id, buyer_id, buyer_name, supplier_id, supplier_name, title,
               currency, amount, signed_at, imported)
           select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
               $9::numeric[], $10::timestamptz[], $11::bool[])
           on conflict (contract_id) do nothing""",
        *columns(rows),
    )


async def drop_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    """Delete the contracts that ended after their conclusion. A contract that was never concluded is not stored here."""
    if not events:
        return
    await (await tx.raw()).execute(
        "delete from accounts.contracts where contract_id = any($1::text[])", [event.contract_id for event in events]
    )


async def latest_contracts(tx: Transaction, organisation_id: str, *, party: str, limit: int) -> Listed[PublicContract]:
    """Return the latest contracts in which the organisation is the ``party`` (buyer or supplier), at most ``limit``."""
    own, partner = ("buyer", "supplier") if party == "buyer" else ("supplier", "buyer")
    db = await tx.raw()
    rows = await db.fetch(
        f"""select contract_id, title, {partner}_id as partner_id, {partner}_name as partner_name, currency, amount, signed_at, imported
            from accounts.contracts where {own}_id = $1 order by signed_at desc, contract_id limit $2""",
        organisation_id,
        limit,
    )
    counted = await count(db, f"select from accounts.contracts where {own}_id = $1", organisation_id)
    return Listed.of([PublicContract(**row) for row in rows], counted)
