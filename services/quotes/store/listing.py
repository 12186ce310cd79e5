"""Lists of requests. Each row has only what one line of a list shows, because a whole request can have megabytes of
sealed quotes. SQL is written by hand here for lists."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Literal

import asyncpg
import msgspec

from events.values import Category, Place
from infra.database import Transaction
from infra.listing import PLAN_FOR_VALUES, ListConditions, Listed, as_query, count, reach
from infra.reading import listed
from services.quotes.domain.request import RequestStage

GROUPS: Mapping[str, tuple[RequestStage, ...]] = {
    "open": (RequestStage.OPEN,),
    "choosing": (RequestStage.CHOOSING,),
    "closed": (
        RequestStage.AWARDED,
        RequestStage.REJECTED,
        RequestStage.LAPSED,
        RequestStage.UNSUCCESSFUL,
        RequestStage.WITHDRAWN,
    ),
}
Status = Literal["open", "settling", "choosing", "awarded", "rejected", "lapsed", "unsuccessful", "withdrawn"]
_SHOWN = (
    "select r.request_id, (case when jsonb_typeof(opened) = 'object' then opened - '{lines,requirements,policy_text}'::text[]"
    " else '{}' end)::text as opened, parts.stage,"
    " case when r.kept_apart is not null then r.quoted else"
    " jsonb_array_length(jsonb_path_query_array(quotes, '$.* ? (!(@.withdrawn == true))')) end as quotes,"
    " parts.closed->>'ended_at' as ended_at"
    " from quotes.quote_requests r, jsonb_to_record(r.state) as parts (opened jsonb, stage text, quotes jsonb, closed jsonb)"
    " where r.request_id = any($1::text[])"
)


class ListedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list. ``ended_at`` is the time from which no quote was accepted: that of the withdrawal, or the
    deadline. It is None while the request is open. ``status`` is the stage, or settling: the deadline has passed, and
    quotes that arrived before it are still processed."""

    request_id: str
    title: str
    status: Status
    buyer_id: str
    buyer_name: str
    kind: str
    category: Category
    place: Place
    currency: str
    quotes: int
    opened_at: datetime
    closes_at: datetime
    choose_by: datetime
    ended_at: datetime | None = None


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows. ``category`` is the beginning of a code, ``region`` a region or a country. ``words`` are words
    of the title, or beginnings of words."""

    group: str = ""
    category: str = ""
    region: str = ""
    words: str = ""
    buyer_id: str = ""


async def search(tx: Transaction, wanted: RequestFilter, *, limit: int, offset: int) -> Listed[ListedRequest]:
    """Return one page of requests: open ones by the nearest deadline, others by the latest. The number of rows read is
    bounded by how many are open or being decided, and by ``limit`` and ``offset``."""
    condition, values = _where(wanted)
    rows = f"select request_id from quotes.quote_requests where {condition}"
    order = "closes_at" if wanted.group == "open" else "closes_at desc"
    db = await tx.raw()
    await db.execute(PLAN_FOR_VALUES)
    found = await db.fetch(f"{rows} order by {order}, request_id limit {limit} offset {offset}", *values)
    ids = [row["request_id"] for row in found]
    most = reach(limit, offset)
    counted = await count(db, rows, *values, most=most)
    shown = await db.fetch(_SHOWN, ids)
    at = {request_id: place for place, request_id in enumerate(ids)}
    shown.sort(key=lambda row: at[row["request_id"]])
    summaries = listed("quote request", shown, itemgetter("request_id"), partial(_summary, now=tx.now))
    return Listed.of(summaries, counted, most)


def status_of(stage: RequestStage, closes_at: datetime, now: datetime) -> Status:
    return "settling" if stage is RequestStage.OPEN and now >= closes_at else stage.value


def ended_of(status: Status, closes_at: datetime, stopped_at: datetime | None) -> datetime | None:
    """Return from when no quote was accepted. ``stopped_at`` is when the request was decided or withdrawn, if it was."""
    if status == "open":
        return None
    return stopped_at if status == "withdrawn" and stopped_at else closes_at


def _where(wanted: RequestFilter) -> tuple[str, list[object]]:
    where = ListConditions()
    add = where.add
    if wanted.group in GROUPS:
        add("stage = any({}::text[])", [stage.value for stage in GROUPS[wanted.group]])
    if wanted.category:
        add("starts_with(category, {})", wanted.category)
    if wanted.region:
        add("region = {}" if "-" in wanted.region else "country = {}", wanted.region)
    if wanted.buyer_id:
        add("buyer_id = {}", wanted.buyer_id)
    if wanted.words.strip():
        add("to_tsvector('simple', title) @@ to_tsquery('simple', {})", as_query(wanted.words))
    return str(where), where.values


def _summary(row: asyncpg.Record, *, now: datetime) -> ListedRequest:
    opened = msgspec.json.decode(row["opened"])
    closes_at = msgspec.convert(opened.get("closes_at"), datetime)
    status = status_of(RequestStage(row["stage"]), closes_at, now)
    stopped_at = datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None
    ended_at = ended_of(status, closes_at, stopped_at)
    return msgspec.convert(opened | {"status": status, "quotes": row["quotes"], "ended_at": ended_at}, ListedRequest)
