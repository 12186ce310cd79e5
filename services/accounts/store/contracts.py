"""Replica: concluded contracts, for the public card of an organisation."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import func
from sqlmodel import select

from events.contracts import ContractConcluded, ContractEnded
from infra.database import Transaction, columns
from services.accounts.store.rows import ContractRow


class Deal(msgspec.Struct, frozen=True, kw_only=True):
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
    """Cancelled after their conclusion they no longer count; those that never were concluded are not here."""
    if not events:
        return
    await (await tx.raw()).execute(
        "delete from accounts.contracts where contract_id = any($1::text[])", [event.contract_id for event in events]
    )


async def deals(tx: Transaction, organisation_id: str, *, side: str, limit: int) -> tuple[int, list[Deal]]:
    """(how many, the latest) contracts as ``buyer`` or ``supplier``."""
    own, partner = ("buyer", "supplier") if side == "buyer" else ("supplier", "buyer")
    mine = getattr(ContractRow, f"{own}_id") == organisation_id
    count = (await tx.session.exec(select(func.count()).select_from(ContractRow).where(mine))).one()
    latest = await tx.session.exec(select(ContractRow).where(mine).order_by(ContractRow.signed_at.desc()).limit(limit))
    return count, [
        Deal(
            contract_id=row.contract_id,
            title=row.title,
            partner_id=getattr(row, f"{partner}_id"),
            partner_name=getattr(row, f"{partner}_name"),
            currency=row.currency,
            amount=row.amount,
            signed_at=row.signed_at,
            imported=row.imported,
        )
        for row in latest
    ]
