"""The rolling months."""

from collections.abc import Iterable

from sqlmodel import select

from infra.database import Transaction
from services.observatory.domain import Entry, Month
from services.observatory.intake import Origin
from services.observatory.store.rows import RollingRow

_ADD = """
insert into observatory.rolling as r values ($1, $2, $3, $4, $5, 1, $6, $6, $6, $6, $7, $8)
on conflict (item_key, series, month, currency, unit) do update set
  count = r.count + 1, low = least(r.low, excluded.low), high = greatest(r.high, excluded.high),
  total = r.total + excluded.total,
  last = case when (excluded.last_on, excluded.last_id) > (r.last_on, r.last_id) then excluded.last else r.last end,
  last_id = case when (excluded.last_on, excluded.last_id) > (r.last_on, r.last_id) then excluded.last_id else r.last_id end,
  last_on = greatest(r.last_on, excluded.last_on)
"""


async def add_to_months(tx: Transaction, series: Origin, entries: Iterable[Entry]) -> None:
    """Not idempotent: the caller's inbox claims each event once."""
    await (await tx.raw()).executemany(
        _ADD,
        [
            (one.item_key, series, one.month, one.currency, one.unit, one.price, one.date, one.observation_id)
            for one in entries
        ],
    )


async def forget_months(tx: Transaction) -> None:
    await (await tx.raw()).execute("delete from observatory.rolling")


async def months(tx: Transaction, item_key: str) -> list[Month]:
    rows = await tx.session.exec(
        select(RollingRow).where(RollingRow.item_key == item_key).order_by(RollingRow.month, RollingRow.series)
    )
    return [Month(**{name: getattr(row, name) for name in Month.__struct_fields__}) for row in rows]
