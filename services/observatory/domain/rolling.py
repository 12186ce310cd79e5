"""Monthly figures of one item, kept up as events come. A view, never the reference: nominal prices, no outlier judged."""

from datetime import date
from decimal import Decimal

import msgspec

from services.observatory.domain.price import ARITHMETIC, Priced, month_of


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of one month in one currency and base unit. ``seen`` holds their observation ids, so that a repeat changes nothing."""

    seen: frozenset[str]
    low: Decimal
    high: Decimal
    total: Decimal
    last: Decimal
    last_on: date
    last_id: str

    @property
    def count(self) -> int:
        return len(self.seen)

    @property
    def mean(self) -> Decimal:
        return ARITHMETIC.divide(self.total, Decimal(self.count))


class Rolling(msgspec.Struct, frozen=True, kw_only=True):
    """``months`` by ``YYYY-MM currency/unit``, so that unlike prices never mix."""

    months: dict[str, Month] = {}


def apply(state: Rolling, new: Priced) -> Rolling:
    """Add one price (valued without rates and index, so nominal); the same id again changes nothing, in any order.

    Low and high cannot be taken back: after a cancellation the view is rebuilt by replay.
    """
    seen, price = new.observation, new.price
    key = f"{month_of(seen.date)} {new.currency}/{new.unit}"
    old = state.months.get(key)
    if seen.cancelled or (old and seen.observation_id in old.seen):
        return state
    if old is None:
        month = Month(
            seen=frozenset({seen.observation_id}),
            low=price,
            high=price,
            total=price,
            last=price,
            last_on=seen.date,
            last_id=seen.observation_id,
        )
    else:
        later = (seen.date, seen.observation_id) > (old.last_on, old.last_id)
        month = Month(
            seen=old.seen | {seen.observation_id},
            low=min(old.low, price),
            high=max(old.high, price),
            total=ARITHMETIC.add(old.total, price),
            last=price if later else old.last,
            last_on=seen.date if later else old.last_on,
            last_id=seen.observation_id if later else old.last_id,
        )
    return Rolling(months=state.months | {key: month})
