"""Letters that one organisation causes do not delay those of others, and letters that wait for the same reader are
combined."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec import structs

from events.contracts import PurchaseAnswered, PurchaseRequested
from events.notifications import DutyMailed
from events.values import Place
from infra.database import Transaction
from infra.ids import new_id
from services.notifications import post, timers
from services.notifications.domain import AT_ONCE, GATHERING, PATIENT, TURNS, URGENT, USUAL, LetterDuty
from services.notifications.letters import SHOWN, DutyLetter
from services.notifications.store import claiming, queue
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.notifications.test_notifications_duties import an_officer, drafted
from tests.services.notifications.test_notifications_service import (
    Agent,
    Killed,
    Server,
    an_agent,
    ended,
    read,
    server,
    states,
)

__all__ = ["server"]
MANY = 400


def requested(market: Market, agent: Agent, buyer_id: str, title: str = "Chairs") -> PurchaseRequested:
    return PurchaseRequested(
        process_id=new_id(),
        buyer_id=buyer_id,
        buyer_name="City Hall",
        supplier_id=agent.supplier_id,
        offer_id="o",
        sku_id="s",
        title=title,
        quantity=Decimal(2),
        unit_price=Decimal(10),
        amount=Decimal(20),
        currency="RUB",
        place=Place(country="RU"),
        due_at=market.clock() + timedelta(days=1),
    )


@asynccontextmanager
async def busy(market: Market, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[list[str], Callable[[], None]]]:
    """The mail server is held at a letter. Return the letters that are sent after it is released, in order, and the
    function that releases it."""
    send, go, began, order = post.send, asyncio.Event(), asyncio.Event(), list[str]()

    async def slowly(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        began.set()
        await go.wait()
        order.append(to)
        await send(smtp_url, from_address, to, letter)

    with monkeypatch.context() as patched:
        patched.setattr(timers.post, "send", slowly)
        await market.publish(requested(market, await an_agent(market, "first"), "somebody"))
        await began.wait()
        try:
            yield order, go.set
        finally:
            go.set()


async def claimed(market: Market, agent: Agent, number: int) -> None:
    """Wait until this number of letters waits for the reader."""

    async def there() -> bool:
        return await states(market, agent) == ["claimed"] * number

    await market.eventually(there, within=60)


async def mailed(market: Market, agent: Agent) -> list[str]:
    found = await market.published("notifications", DutyMailed)
    return [each.path for each in found if each.member_id == agent.member_id]


def path_of(request: PurchaseRequested) -> str:
    return f"/contracts/purchases/{request.process_id}"


def a_letter(member_id: str, cause: str, at: Market, what: str = "purchase-request") -> DutyLetter:
    """A letter to an unknown member."""
    duty = LetterDuty(
        party="supplier",
        what=what,
        organisation_id=member_id,
        partner="City Hall",
        title="Chairs",
        path=f"/contracts/{new_id()}",
        due_at=None,
        cause=cause,
    )
    return DutyLetter(
        letter_id=new_id(),
        member_id=member_id,
        organisation_id=member_id,
        name="Ana",
        organisation="Supplies",
        email=f"{member_id}@supplies.example",
        language="en",
        zone="UTC",
        claimed_at=at.clock().replace(microsecond=0),
        duty=duty,
    )


async def reading(market: Market, member_ids: list[str]) -> None:
    """Make these members readers of letters."""
    await market.fetch(
        "insert into notifications.members (member_id, organisation_id, name, email, language, roles, stopped, period, hour,"
        " topics, next_at) select id, id, '', '', 'en', '{}', null, 'daily', 8, '{duties}', 'infinity' from unnest($1::text[]) id",
        member_ids,
    )


async def test_a_buyer_with_many_requests_delays_nobody_and_its_supplier_gets_lists(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, other = await an_agent(market), await an_agent(market)
    many, one = [requested(market, agent, "eager") for _ in range(MANY)], requested(market, other, "calm")
    async with busy(market, monkeypatch) as (order, let_go):
        await market.publish(*many)
        await claimed(market, agent, MANY)
        await market.publish(one)
        await claimed(market, other, 1)
        let_go()

        async def all_told() -> bool:
            return len(await mailed(market, agent)) >= MANY and bool(await mailed(market, other))

        await market.eventually(all_told, within=60)
    assert other.email in order[1:3]
    assert sorted(await mailed(market, agent)) == sorted(path_of(each) for each in many)
    lists = [read(content) for content in server.to(agent.email)]
    assert len(lists) == MANY // queue.LONGEST_LIST
    assert {each["Subject"] for each in lists} == {f"Requests to buy that wait for your answer: {queue.LONGEST_LIST}"}
    text = str(lists[0].get_body(("plain",)))
    assert text.count("/contracts/purchases/") == SHOWN and f"And {queue.LONGEST_LIST - SHOWN} more" in text
    assert set(await states(market, agent)) == {"sent"}
    async with market.client(agent.principal) as client:
        shown = (await client.get("/api/notifications")).json()["letters"]
        assert [each["says"] for each in shown] == [each["Subject"] for each in lists]


async def test_many_readers_of_one_cause_take_turns_with_the_reader_of_another(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager, calm, urgent = [f"{new_id()}-{n}" for n in range(MANY)], new_id(), new_id()
    await reading(market, [*eager, calm, urgent])
    async with busy(market, monkeypatch) as (order, let_go):
        async with market.resources.database.of("notifications").transaction("notifications") as tx:
            await claiming.add_letters(tx, [(a_letter(each, "eager", market), "one") for each in eager])
        async with market.resources.database.of("notifications").transaction("notifications") as tx:
            rest = a_letter(calm, "calm", market), a_letter(urgent, "eager", market, "supplier-offer")
            await claiming.add_letters(tx, [(each, "one") for each in rest])
        let_go()

        async def all_sent() -> bool:
            return len(order) == MANY + 3

        await market.eventually(all_sent, within=60)
    assert f"{calm}@supplies.example" in order[1:5] and f"{urgent}@supplies.example" in order[1:4]
    assert len(set(order)) == len(order)


async def test_a_list_that_died_with_its_sender_goes_out_identical_and_counts_once(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, send = await an_agent(market, language="ru"), post.send
    events = [requested(market, agent, "buyer", f"Chair {number}") for number in range(3)]

    async def dies_after(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        await send(smtp_url, from_address, to, letter)
        raise Killed

    async def taken() -> bool:
        return bool(server.to(agent.email))

    async with busy(market, monkeypatch) as (_, let_go):
        await market.publish(*events)
        await claimed(market, agent, 3)
        monkeypatch.setattr(timers.post, "send", dies_after)
        let_go()
        await market.eventually(taken)
    monkeypatch.setattr(timers.post, "send", send)
    assert set(await states(market, agent)) == {"sending"}
    market.clock.advance(timers.LEASE)
    await ended(market, agent, *["sent"] * 4)
    first, twin = server.to(agent.email)
    assert first == twin and read(first)["Subject"] == "Запросы о покупке, которые ждут ответа: 3"
    text = str(read(first).get_body(("plain",)))
    assert all(path_of(each) in text and each.title in text for each in events) and "/unsubscribe/" in text
    assert sorted(await mailed(market, agent)) == sorted(path_of(each) for each in events)
    for event in events:
        await market.publish(event, event_id=new_id())  # told again
    await asyncio.sleep(2.2)
    assert len(server.to(agent.email)) == 2


@pytest.mark.parametrize("number", [1, 3])
async def test_what_went_out_is_kept_as_sent_though_all_was_done_before_that_could_be_written_down(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Tested with one letter, and with a list. The answer to the first attempt is lost, and at the next the server is
    away."""
    agent, send = await an_agent(market), post.send
    events = [requested(market, agent, "buyer", f"Chair {each}") for each in range(number)]

    async def dies_after(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        await send(smtp_url, from_address, to, letter)
        raise Killed

    async def away(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        raise post.NotNow("away")

    async def taken() -> bool:
        return bool(server.to(agent.email))

    async with busy(market, monkeypatch) as (_, let_go):
        await market.publish(*events)
        await claimed(market, agent, number)
        monkeypatch.setattr(timers.post, "send", dies_after)
        let_go()
        await market.eventually(taken)
    for each in events:
        answer = {"process_id": each.process_id, "buyer_id": each.buyer_id, "supplier_id": each.supplier_id}
        await market.publish(PurchaseAnswered(**answer, answer="refused", reason=""))
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.letters where member_id = $1 and moot having count(*) = $2",
            agent.member_id,
            number,
        )
    )
    monkeypatch.setattr(timers.post, "send", away)
    market.clock.advance(timers.LEASE)
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.letters where member_id = $1 and trouble = 'away'", agent.member_id
        )
    )
    monkeypatch.setattr(timers.post, "send", send)
    market.clock.advance(timedelta(minutes=1))
    await ended(market, agent, *["sent"] * (number + (number > 1)))
    first, twin = server.to(agent.email)
    assert first == twin
    assert sorted(await mailed(market, agent)) == sorted(path_of(each) for each in events)


async def test_what_is_answered_meanwhile_is_not_in_the_list_and_one_of_nothing_is_dropped(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, idle = await an_agent(market), await an_agent(market)
    some, none = [[requested(market, who, "buyer") for _ in range(3)] for who in (agent, idle)]

    async def away(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
        raise post.NotNow("away")

    async with busy(market, monkeypatch) as (_, let_go):
        await market.publish(*some, *none)
        await claimed(market, agent, 3)
        await claimed(market, idle, 3)
        monkeypatch.setattr(timers.post, "send", away)
        let_go()

        async def tried() -> bool:
            return await states(market, agent) == await states(market, idle) == ["sending"] * 4

        await market.eventually(tried)
    for each in (some[0], *none):
        answer = {"process_id": each.process_id, "buyer_id": each.buyer_id, "supplier_id": each.supplier_id}
        await market.publish(PurchaseAnswered(**answer, answer="refused", reason=""))
    await market.eventually(
        lambda: market.fetch(
            "select 1 from notifications.letters where member_id = $1 and moot having count(*) = 3", idle.member_id
        )
    )
    monkeypatch.undo()
    market.clock.advance(timedelta(minutes=1))
    await ended(market, idle, *["dropped"] * 4)

    async def told() -> bool:
        return sorted(await states(market, agent)) == ["dropped", "sent", "sent", "sent"]

    await market.eventually(told)
    assert server.to(idle.email) == []
    [content] = server.to(agent.email)
    assert read(content)["Subject"].endswith(": 2") and path_of(some[0]) not in str(read(content).get_body(("plain",)))
    assert sorted(await mailed(market, agent)) == sorted(path_of(each) for each in some[1:])


async def test_who_had_several_letters_of_a_kind_gets_the_next_ones_gathered(market: Market, server: Server) -> None:
    agent = await an_agent(market)
    for number in range(1, AT_ONCE + 1):
        await market.publish(requested(market, agent, "buyer"))
        await ended(market, agent, *["sent"] * number)
    late = [requested(market, agent, "buyer") for _ in range(3)]
    await market.publish(*late)

    async def gathered() -> bool:
        return (await states(market, agent)).count("claimed") == 3

    await market.eventually(gathered)
    officer = await an_officer(market)
    await market.publish(drafted(market, officer, agent))  # another kind is sent at once
    await market.eventually(lambda: _true(len(server.to(agent.email)) == AT_ONCE + 1))
    assert await gathered()
    market.clock.advance(GATHERING)
    await market.eventually(lambda: _true(len(server.to(agent.email)) == AT_ONCE + 2))
    assert read(server.to(agent.email)[-1])["Subject"] == "Requests to buy that wait for your answer: 3"


async def _true(value: bool) -> bool:
    return value


async def test_a_letter_within_a_list_that_cannot_be_read_goes_by_itself(
    market: Market, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await an_agent(market)
    events = [requested(market, agent, "buyer") for _ in range(3)]
    async with busy(market, monkeypatch) as (_, let_go):
        await market.publish(*events)
        await claimed(market, agent, 3)
        await market.fetch("update notifications.letters set body = body - 'zone' where about = $1", path_of(events[2]))
        let_go()

        async def told() -> bool:
            return sorted(await mailed(market, agent)) == sorted(path_of(each) for each in events[:2])

        await market.eventually(told)
    query = (
        "select 1 from notifications.letters where about = $1 and trouble like '%ValidationError%' and within is null"
    )
    await market.eventually(lambda: market.fetch(query, path_of(events[2])))
    await market.fetch("delete from notifications.letters where about = $1", path_of(events[2]))


async def test_what_a_former_release_wrote_or_put_off_gets_its_turn(market: Market, server: Server) -> None:
    agent = await an_agent(market)
    event = requested(market, agent, "buyer")
    letter = a_letter(agent.member_id, "", market)
    old = structs.replace(letter, email=agent.email, duty=structs.replace(letter.duty, path=path_of(event)))
    async with rolled_back(market.resources.database.of("notifications"), "notifications") as (tx, db):
        await claiming.add_letters(tx, [(old, "as it was")])
        row = dict(await db.fetchrow("select * from notifications.letters where letter_id = $1", old.letter_id))
    for new in ("kind", "cause", "urgency", "turn", "within"):
        del row[new]
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await market.fetch(f"insert into notifications.letters ({', '.join(row)}) values ({places})", *row.values())
    await ended(market, agent, "sent")
    assert len(server.to(agent.email)) == 1


async def claims(tx: Transaction) -> None:
    for order in (*TURNS, (PATIENT, USUAL, URGENT)):
        assert await queue.claim_to_send(tx, tx.now + timers.LEASE, order) is not None


async def test_the_next_letter_and_its_turn_are_found_in_an_index_however_many_wait(market: Market) -> None:
    async with rolled_back(market.resources.database.of("notifications"), "notifications") as (tx, db):
        letter = a_letter("reader", "eager", market)
        await claiming.add_letters(tx, [(letter, "one")])
        await db.execute(
            "insert into notifications.letters select made.* from notifications.letters one, generate_series(1, 20000) n,"
            " jsonb_populate_record(one, jsonb_build_object('letter_id', 'many-' || n, 'slot', n, 'member_id',"
            " 'reader-' || n % 5000, 'cause', 'c' || n % 50, 'urgency', n % 3, 'turn', case when n % 4 > 0 then n end,"
            " 'state', case when n % 5 = 0 then 'sent' else 'claimed' end,"
            " 'retry_at', case when n % 4 = 0 and n % 8 > 0 then one.retry_at + interval '1 day' else one.retry_at end)) made"
            " where one.letter_id = $1",
            letter.letter_id,
        )
        await db.execute("analyze notifications.letters")
        async with recording_queries(db) as heard:
            await claims(tx)
        assert await heard.rows_of(db, "letters") <= queue.LINED_UP
        async with recording_queries(db) as heard:
            await claiming.add_letters(tx, [(a_letter("somebody", "c1", market), "two")])
        assert await heard.rows_of(db, "letters") <= 2
