"""The rolling months. SQL is written by hand here for upserts."""

from collections.abc import Iterable

from sqlalchemy import delete
from sqlmodel import select

from infra.database import Transaction, columns
from services.observatory.domain import Month, MonthlyPrice
from services.observatory.intake import Origin
from services.observatory.store.rows import RollingRow

_ADD = """
insert into observatory.rolling as r
select item_key, series, month, currency, unit, count(*), min(price), max(price), sum(price),
  (array_agg(price order by date desc, id desc))[1], max(date), (array_agg(id order by date desc, id desc))[1]
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::date[], $8::text[])
as told (item_key, series, month, currency, unit, price, date, id)
group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
on conflict (item_key, series, month, currency, unit) do update set
  count = r.count + excluded.count, low = least(r.low, excluded.low), high = greatest(r.high, excluded.high),
  total = r.total + excluded.total,
  last = case when (excluded.last_on, excluded.last_id) > (r.last_on, r.last_id) then excluded.last else r.last end,
  last_id = case when (excluded.last_on, excluded.last_id) > (r.last_on, r.last_id) then excluded.last_id else r.last_id end,
  last_on = greatest(r.last_on, excluded.last_on)
"""


async def add_to_months(tx: Transaction, entries: Iterable[tuple[Origin, MonthlyPrice]]) -> None:
    """Add each entry to its series. Not idempotent: the caller's inbox claims each event once."""
    rows = [
        (one.item_key, series, one.month, one.currency, one.unit, one.price, one.date, one.observation_id)
        for series, one in entries
    ]
    if rows:
        await (await tx.raw()).execute(_ADD, *columns(rows))


async def forget_months(tx: Transaction) -> None:
    await tx.session.exec(delete(RollingRow))


async def months(tx: Transaction, item_key: str) -> list[Month]:
    rows = await tx.session.exec(
        select(RollingRow).where(RollingRow.item_key == item_key).order_by(RollingRow.month, RollingRow.series)
    )
    return [Month(**{name: getattr(row, name) for name in Month.__struct_fields__}) for row in rows]
