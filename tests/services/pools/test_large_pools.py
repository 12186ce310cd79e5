"""A pool of many members and lines that is read many times: the size of one answer, and what is computed for it."""

import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest

from events.pools import Allocation, Demand, PoolAllocated, PoolMemberEnrolled
from infra.decoded import ON_LOOP
from infra.ids import new_id
from infra.tokens import Principal
from services.pools import store
from services.pools.domain import Pool, apply
from services.pools.domain import pool as domain
from services.pools.domain.pool import DEMANDS_SHOWN, MEMBERS_SHOWN, PoolStage
from services.pools.pages.pool import LINES_SHOWN
from tests.market import Market
from tests.services.pools.test_pools_lifecycle import MOSCOW, NOW, PAPER, opening, terms
from tests.services.pools.test_pools_service import a_buyer

MEMBERS, LINES = 60, 25
ENDS = NOW + timedelta(days=36_500)
"""It is far in the future, because the timers of a market on a real clock end an enrolment whose deadline is over."""
BYTES = 1_000
"""The most bytes of an answer for one member's part of one line, and for the rest of a member or line."""


def a_large_pool(members: int, lines: int, wanted: int | None = None, lead: str = "lead", last: str = "") -> Pool:
    """Build a pool. Each member wants ``wanted`` of the lines, or all if it is None; ``last`` enrolled last."""
    sold = tuple(
        msgspec.structs.replace(PAPER, line_id=f"line-{number:04}", sku_id=f"line-{number:04}")
        for number in range(lines)
    )
    (opened,) = opening(terms(lines=sold, lead_id=lead, pool_id=new_id()))
    pool = apply(None, msgspec.structs.replace(opened, enrolment_ends_at=ENDS))
    told = {}
    for number in range(members):
        member_id = last if last and number == members - 1 else f"org-{members - number:04}"
        told[member_id] = PoolMemberEnrolled(
            pool_id=pool.opened.pool_id,
            member_id=member_id,
            member_name=f"Agency {number}",
            demands=tuple(Demand(line_id=each.line_id, firm=Decimal(5)) for each in sold[:wanted]),
            place=MOSCOW,
            enrolled_at=NOW + timedelta(minutes=number),
        )
    return msgspec.structs.replace(pool, members=told)


def shared_out(pool: Pool) -> Pool:
    """Allocate a pack of each line to each member."""
    cost = Decimal(20) * len(pool.opened.lines)
    parts = tuple(msgspec.structs.replace(line, quantity=Decimal(1), amount=Decimal(20)) for line in pool.opened.lines)
    allocations = tuple(
        Allocation(
            member_id=each.member_id,
            member_name=each.member_name,
            place=each.place,
            lines=parts,
            amount=cost,
            standalone=cost,
            saving=Decimal(0),
        )
        for each in pool.members.values()
    )
    whole = cost * len(allocations)
    opened = pool.opened
    allocated = PoolAllocated(
        pool_id=opened.pool_id,
        auction_id=new_id(),
        lead_id=opened.lead_id,
        title=opened.title,
        kind=opened.kind,
        category=opened.category,
        currency=opened.currency,
        supplier_id="sup",
        amount=whole,
        standalone=whole,
        saving=Decimal(0),
        allocations=allocations,
    )
    return msgspec.structs.replace(pool, allocated=allocated, stage=PoolStage.CONTRACTING)


@pytest.mark.parametrize(("members", "lines", "at_once"), [(300, 1, MEMBERS_SHOWN), (30, 200, DEMANDS_SHOWN // 200)])
def test_the_members_shown_at_once_are_few_and_each_is_shown_once(members: int, lines: int, at_once: int) -> None:
    pool = a_large_pool(members, lines)
    assert [len(each) for each in pool.pages] == [at_once] * (members // at_once)
    names = [member.member_name for each in pool.pages for member in each]
    assert names == [f"Agency {number}" for number in range(members)], "as they enrolled"


def test_a_member_with_more_lines_than_a_page_has_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "DEMANDS_SHOWN", 5)
    pool = a_large_pool(3, 6)
    assert [len(each) for each in pool.pages] == [1, 1, 1]
    assert a_large_pool(0, 1).pages == ((),)


async def kept(market: Market, pool: Pool) -> str:
    async with market.resources.database.transaction("pools") as tx:
        before = await store.lock(tx, pool.opened.pool_id)
        after = store.StoredPool(pool=pool, opened_at=NOW, version=before.version if before else 0)
        await store.save(tx, after, None if pool.allocated else ENDS, [])
    return pool.opened.pool_id


@pytest.fixture
async def reader(market: Market) -> Principal:
    return await a_buyer(market)


@pytest.fixture
async def large(market: Market, reader: Principal) -> AsyncIterator[Pool]:
    """Store a large pool. The reader leads it, and enrolled last."""
    pool = a_large_pool(MEMBERS, LINES, lead=reader.organisation_id, last=reader.organisation_id)
    await kept(market, pool)
    yield pool
    await market.fetch("delete from pools.pools where pool_id = $1", pool.opened.pool_id)


def rows_of(page: str, section: str) -> list[str]:
    """Return the rows of the first table's body in a section."""
    part = page[page.index(f'id="{section}"') :]
    return part[part.index("<tbody>") : part.index("</tbody>")].split("<tr")[1:]


def lines_of(page: str, section: str) -> list[int]:
    """Return for each member how many lines are in the row below its own."""
    rows = rows_of(page, section)
    assert all("<th" in row for row in rows[::2]) and not any("<th" in row for row in rows[1::2])
    return [row.count("<li") for row in rows[1::2]]


async def test_one_page_shows_some_members_and_some_lines(market: Market, large: Pool, reader: Principal) -> None:
    path, at_once = f"/pools/{large.opened.pool_id}", DEMANDS_SHOWN // LINES
    async with market.client() as client:
        client.follow_redirects = True
        first, second, behind, last = [
            (await client.get(path + query, headers={"accept": "text/html"})).text
            for query in ("", "?members=2", "?members=400&lines=400", "?lines=3")
        ]
    async with market.client(reader) as client:
        own = (await client.get(path, headers={"accept": "text/html"})).text
    assert lines_of(first, "demand") == [LINES_SHOWN] * at_once
    assert len(lines_of(second, "demand")) == len(lines_of(behind, "demand")) == MEMBERS - at_once
    assert set(lines_of(behind, "demand")) == {LINES % LINES_SHOWN}
    assert set(lines_of(last, "demand")) == {LINES % LINES_SHOWN}
    assert len(rows_of(first, "terms")) == LINES_SHOWN
    assert "members=2&amp;lines=1#demand" in first and "members=1&amp;lines=2#demand" in first
    assert len(lines_of(own, "demand")) == at_once + 1, "and the reader's own"
    last_enrolled = f"Agency {MEMBERS - 1} "
    assert own.index(last_enrolled) < own.index("Agency 0<") and last_enrolled not in first


async def test_a_small_pool_is_shown_whole(market: Market) -> None:
    pool_id = await kept(market, a_large_pool(MEMBERS_SHOWN, LINES_SHOWN))
    async with market.client() as client:
        page = (await client.get(f"/pools/{pool_id}", headers={"accept": "text/html"})).text
    assert lines_of(page, "demand") == [LINES_SHOWN] * MEMBERS_SHOWN
    assert "page 1 of" not in page
    await market.fetch("delete from pools.pools where pool_id = $1", pool_id)


async def test_the_api_returns_a_page_of_members_with_their_results(
    market: Market, large: Pool, reader: Principal
) -> None:
    path = f"/api/pools/{await kept(market, shared_out(large))}"
    members: list[str] = []
    async with market.client(reader) as client:
        for number in count(1):
            answer = await client.get(path, params={"page": number})
            found: dict[str, Any] = answer.json()
            shares = [each["member_id"] for each in found["result"]["allocations"]]
            assert shares == [each["member_id"] for each in found["members"]]
            assert len(answer.content) < BYTES * (DEMANDS_SHOWN + MEMBERS_SHOWN + 2 * LINES)
            assert found["mine"]["member_id"] == found["result"]["mine"]["member_id"] == reader.organisation_id
            assert (found["page"], found["member_count"]) == (number, MEMBERS)
            members += shares
            if number == found["pages"]:
                break
        behind = (await client.get(path, params={"page": number + 1})).json()
        assert (await client.get(path, params={"page": 501})).status_code == 422
        page = (await client.get(path.removeprefix("/api"), headers={"accept": "text/html"})).text
    assert (number, len(members)) == (2, MEMBERS) and set(members) == set(large.members)
    assert behind["members"] == [] == behind["result"]["allocations"]
    assert lines_of(page, "result") == [LINES_SHOWN] * (DEMANDS_SHOWN // LINES + 1), "and the reader's own"


async def test_however_often_it_is_read_it_is_decoded_and_summed_up_once(
    market: Market, large: Pool, reader: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens in a thread, and again after somebody acted. Meanwhile timers of the market read other pools."""
    decoded: list[tuple[int, bool]] = []
    summed: list[int] = []
    decode, wanted = store._decoded._read, domain.wanted

    def counted(state: str, row: Any) -> Any:
        if large.opened.pool_id in state:
            decoded.append((len(state), threading.current_thread() is threading.main_thread()))
        return decode(state, row)

    monkeypatch.setattr(store._decoded, "_read", counted)

    def added_up(want: Any, pack: Any) -> Any:
        if want.member_id in large.members:
            summed.append(1)
        return wanted(want, pack)

    monkeypatch.setattr(domain, "wanted", added_up)
    path = f"/pools/{large.opened.pool_id}"
    async with market.client() as client:
        for _ in range(3):
            for each in (path, f"/api{path}"):
                assert (await client.get(each)).status_code == 200
    assert len(decoded) == 1, decoded
    ((size, on_loop),) = decoded
    assert size > ON_LOOP and not on_loop
    assert len(summed) == LINES * MEMBERS
    async with market.client(reader) as client:
        answer = await client.post(f"/api{path}/withdraw", json={})
        assert (answer.status_code, answer.json()["mine"], answer.json()["member_count"]) == (200, None, MEMBERS - 1)
    assert len(decoded) == 2
