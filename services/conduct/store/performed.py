"""The facts that count about how contracts were carried out. SQL is written by hand here for arrays."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Index, Integer, Text
from sqlmodel import Field

from catalogue.actors import Party
from infra.database import Reader, Transaction, columns
from services.conduct.domain.performance import KINDS, LATE, Performed, PerformedKind, RecordChange
from services.conduct.store.record import counted
from services.conduct.store.rows import Row

_ITS = "case of.side when 'buyer' then c.buyer_id else c.supplier_id end"


class PerformedRow(Row, table=True):
    """A fact about one contract that counts in the public record of one of its sides."""

    __tablename__ = "performed"
    __table_args__ = (
        Index(None, "organisation_id"),
        Index("ix_performed_of_kind", "organisation_id", "side", "kind"),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(primary_key=True, sa_type=Integer)
    side: str = Field(sa_type=Text)


async def save(tx: Transaction, contract_id: str, change: RecordChange) -> None:
    """Save the change; doing so again changes nothing. If the contract is not known here, nothing counts."""
    db = await tx.raw()
    if change.gone:
        await db.execute(
            "delete from conduct.performed using conduct.contracts c, unnest($2::text[], $3::text[], $4::int[])"
            f" as of (side, kind, number) where c.contract_id = $1 and performed.contract_id = $1"
            f" and performed.organisation_id = {_ITS} and performed.kind = of.kind and performed.number = of.number",
            contract_id,
            *_columns(change.gone),
        )
    if change.come:
        await db.execute(
            "insert into conduct.performed (contract_id, organisation_id, kind, number, side)"
            f" select $1, {_ITS}, of.kind, of.number, of.side from conduct.contracts c,"
            " unnest($2::text[], $3::text[], $4::int[], $5::text[]) as of (side, kind, number, late)"
            " where c.contract_id = $1 and not exists (select from conduct.performed p where p.contract_id = $1"
            f" and p.organisation_id = {_ITS} and p.kind = of.late and p.number = of.number) on conflict do nothing",
            contract_id,
            *_columns(change.come),
            [LATE.get(each.kind) for each in change.come],
        )


async def counts(db: Reader, organisation_id: str) -> Counter[tuple[Party, PerformedKind]]:
    """Return the number of facts by side and kind, counted as :func:`services.conduct.store.record.counted` counts."""
    return await counted(db, "performed", organisation_id, KINDS)


def _columns(facts: Sequence[Performed]) -> list[list[object]]:
    return columns([(each.party, each.kind, each.number) for each in facts])
