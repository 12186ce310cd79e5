"""The names of the contracts that are carried out, as contracts announced them. SQL is written by hand here for
arrays."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Text
from sqlmodel import Field

from events.contracts import ContractConcluded
from infra.database import Reader, Transaction, columns
from services.fulfilment.store.rows import Row

_COLUMNS = "contract_id, title, buyer_name, supplier_name"


class ContractRow(Row, table=True):
    """A contract that was concluded in this market."""

    __tablename__ = "contracts"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    supplier_name: str = Field(sa_type=Text)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    contract_id: str
    title: str
    buyer_name: str
    supplier_name: str


async def put_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Store the contracts. Contracts of other markets are carried out elsewhere and left out."""
    rows = [
        (event.contract_id, event.title, event.buyer_name, event.supplier_name)
        for event in events
        if event.source is None
    ]
    if rows:
        await (await tx.raw()).execute(
            f"insert into fulfilment.contracts ({_COLUMNS}) select {_COLUMNS} from unnest($1::text[], $2::text[], $3::text[],"
            f" $4::text[]) as told ({_COLUMNS}) on conflict (contract_id) do nothing",
            *columns(rows),
        )


async def named(db: Reader, contract_ids: Collection[str]) -> dict[str, Named]:
    """Return the contracts by id, as far as they are announced here."""
    rows = await db.fetch(
        f"select {_COLUMNS} from fulfilment.contracts where contract_id = any($1::text[])", list(contract_ids)
    )
    return {row["contract_id"]: Named(**dict(row)) for row in rows}
