"""Lists of auctions. Each row has what one line of a list shows, without the lines of its opening and without the
bidders. SQL is written by hand here for lists."""

from datetime import datetime
from functools import partial
from operator import itemgetter

import asyncpg
import msgspec
from msgspec.structs import replace

from catalogue.policy import Policy
from events.auctions import AuctionOpened
from infra.listing import PLAN_FOR_VALUES, ListConditions, Listed, as_query, count, reach
from infra.reading import listed
from services.auctions.domain.auction import AuctionState, begin
from services.auctions.domain.opening import opening_rules
from services.auctions.store.auctions import Course
from services.auctions.store.rows import WORDS

PARTS = {"result is null": "closes_at, auction_id", "result is not null": "closes_at desc, auction_id"}
"""The two parts of the list, with their orders: running auctions by the nearest end, then closed ones, the latest
first."""
_SHOWN = (
    "auction_id, case when jsonb_typeof(opened) = 'object' then opened - '{lines,policy_text}'::text[] || '{\"lines\": []}'"
    " else '{}' end::text as opened, jsonb_array_length(jsonb_path_query_array(opened, '$.lines[*]')) as lines,"
    " case when jsonb_typeof(opened->'rules') = 'object' then null else policy::text end as policy, price, closes_at, sequence,"
    " jsonb_array_length(jsonb_path_query_array(participants, '$.*')) as participants, course::text as course,"
    " result->>'outcome' as outcome, result->>'closed_at' as closed_at"
)


class AuctionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is open, closed or "" for both. ``category`` is the beginning of a code, ``region`` an ISO 3166-2 code
    or a country. ``q`` has words of the title and the buyer's name, or beginnings of words."""

    status: str = ""
    category: str = ""
    region: str = ""
    buyer_id: str = ""
    q: str = ""


class ListedAuction(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is the public state, but its opening has no lines (``lines`` is their number) and its participants are
    left out. ``outcome`` and ``closed_at`` are None before the close. ``over`` says that no more bids are accepted."""

    state: AuctionState
    lines: int
    participants: int
    over: bool
    outcome: str | None
    closed_at: datetime | None

    @property
    def opened(self) -> AuctionOpened:
        return self.state.opened


async def search(
    db: asyncpg.Connection, wanted: AuctionFilter, *, now: datetime, limit: int, offset: int
) -> Listed[ListedAuction]:
    """Return one page. The number of rows read is bounded by the number of running auctions, and by ``limit`` and
    ``offset``."""
    ids: list[str] = []
    passed, most = 0, reach(limit, offset)
    async with db.transaction(readonly=True):
        await db.execute(PLAN_FOR_VALUES)
        for part, order in PARTS.items():
            condition, values = _where(part, wanted, now)
            rows = f"select auction_id from auctions.auctions where {condition}"
            if len(ids) < limit:
                page = f" order by {order} limit {limit - len(ids)} offset {max(0, offset - passed)}"
                ids += [row["auction_id"] for row in await db.fetch(rows + page, *values)]
            passed += await count(db, rows, *values, most=most)
        found = await db.fetch(f"select {_SHOWN} from auctions.auctions where auction_id = any($1::text[])", ids)
    at = {auction_id: place for place, auction_id in enumerate(ids)}
    found.sort(key=lambda row: at[row["auction_id"]])
    return Listed.of(listed("auction", found, itemgetter("auction_id"), partial(_summary, now=now)), passed, most)


def _where(part: str, wanted: AuctionFilter, now: datetime) -> tuple[str, list[object]]:
    where = ListConditions(part)
    add = where.add
    if wanted.status == "open":
        add("result is null and closes_at > {}", now)
    elif wanted.status == "closed":
        add("(result is not null or closes_at <= {})", now)
    if wanted.category:
        add("starts_with(category, {})", wanted.category)
    if wanted.region:
        add("region = {}" if "-" in wanted.region else "country = {}", wanted.region)
    if wanted.buyer_id:
        add("buyer_id = {}", wanted.buyer_id)
    if wanted.q:
        add(f"{WORDS} @@ to_tsquery('simple', {{}})", as_query(wanted.q))
    return str(where), where.values


def _summary(row: asyncpg.Record, *, now: datetime) -> ListedAuction:
    opened = msgspec.json.decode(row["opened"], type=AuctionOpened)
    rules = None if row["policy"] is None else msgspec.json.decode(row["policy"], type=Policy).auction
    course = msgspec.json.decode(row["course"], type=Course)
    state = replace(
        begin(opened, opening_rules(rules, None) if rules else None),
        price=row["price"],
        closes_at=row["closes_at"],
        sequence=row["sequence"],
        shown=course.shown,
        closed=row["outcome"] is not None,
    )
    public = state.public()
    return ListedAuction(
        state=replace(public, participants={}),
        lines=row["lines"],
        participants=row["participants"] if public is state else len(public.participants),
        over=state.over(now),
        outcome=row["outcome"],
        closed_at=row["closed_at"] and datetime.fromisoformat(row["closed_at"]),
    )
