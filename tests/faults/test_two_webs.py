"""Two web processes on the same few auctions; each is killed meanwhile, and one is suspended and continued: together
they act like one process."""

import asyncio
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from events.auctions import AuctionClosed
from infra.clock import ShiftedClock
from infra.config import Config
from infra.embedded import Servers
from infra.embedded.ports import answers, free_port
from infra.embedded.process import Child, Part
from infra.producer import Producer
from infra.runtime import prepare, standing
from infra.tokens import Principal
from services.auctions.proof import verify
from tests.faults.living import POLICY, until
from tests.market import Market, Markets, empty_database, skip_to_now
from tests.services.auctions.market_builders import an_organisation, paper

SUPPLIERS, AUCTIONS = 10, 3
BETWEEN_KILLS = 60
"""This many verdicts must be answered after a process was killed or started again, before the next is killed."""
ASLEEP = 20
"""Seconds for which one process is suspended; longer than any time limit of the other process or of the database."""
AFTER_WAKING = 40
"""Verdicts of the suspended process after it continued."""


@dataclass
class Wish:
    """A bid with its key, its answers, and the number of connections that broke meanwhile."""

    auction_id: str
    supplier: Principal
    key: str
    amount: str
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    answered_by: list[str] = field(default_factory=list)
    twins: bool = False
    broken: int = 0


@dataclass
class Day:
    market: Market
    webs: list[Child]
    urls: list[str]
    auctions: list[str] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    killed: list[int | None] = field(default_factory=list)
    meanwhile: dict[str, int] = field(default_factory=dict)
    """Verdicts by address while one process was suspended."""
    over: bool = False
    """Set when bidding has ended."""
    proofs: dict[str, bytes] = field(default_factory=dict)

    @property
    def verdicts(self) -> int:
        return sum(len(wish.answers) for wish in self.wishes)

    def verdicts_of(self, url: str) -> int:
        return sum(wish.answered_by.count(url) for wish in self.wishes)

    async def rows(self, auction_id: str) -> list[Any]:
        return await self.market.fetch(
            "select supplier_id, request_key, sequence, amount, line from auctions.bids where auction_id = $1 order by line",
            auction_id,
        )


@pytest.fixture(scope="module")
async def day(servers: Servers, topics: None, markets: Markets) -> AsyncIterator[Day]:
    await markets.stop()  # its consumers would share the partitions
    await skip_to_now(servers.kafka_bootstrap, ("auctions",))
    home = servers.home / "two-webs"
    shutil.rmtree(home, ignore_errors=True)
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "demo.toml").write_text(POLICY)
    config = replace(
        Config.load({**os.environ, "LONJA_HOME": str(home), "LONJA_POLICY": "demo"}),
        policies=home / "policies",
        database_url=await empty_database(servers, "lonja_two_webs"),
        kafka_bootstrap=servers.kafka_bootstrap,
        rate_limit=10_000_000,
        connections_per_address=4096,
    )
    await prepare(config)
    async with AsyncExitStack() as stack:
        webs = [a_process(config, stack, f"web-{number}", "web") for number in (1, 2)]
        worker = a_process(config, stack, "worker", "worker")
        for child in (*webs, worker):
            child.start()
            await child.wait_ready()
        resources = await stack.enter_async_context(standing(config))
        kafka = Producer(servers.kafka_bootstrap)
        await kafka.start()
        stack.push_async_callback(kafka.stop)
        urls = [f"http://127.0.0.1:{web.part.port}" for web in webs]
        day = Day(Market(resources, ShiftedClock(), urls[0], kafka), webs, urls)
        await play(day)
        yield day


def a_process(config: Config, stack: AsyncExitStack, name: str, half: str) -> Child:
    port = free_port(config.home, name)

    async def ready() -> bool:
        return half == "worker" or await answers(port)

    part = Part(
        name=name,
        command=(sys.executable, "-m", "infra.cli", "serve", "auctions", "--only", half, "--port", str(port)),
        environment=config.environment(),
        ready=ready,
        port=port,
    )
    child = Child(part, config.home)
    stack.push_async_callback(asyncio.to_thread, child.stop)
    return child


async def play(day: Day) -> None:
    buyer = await an_organisation(day.market, "buyer")
    suppliers = [await an_organisation(day.market, "supplier") for _ in range(SUPPLIERS)]
    async with day.market.client(buyer) as client:
        for number in range(AUCTIONS):
            wanted = paper(title=f"Paper {number}", duration_minutes=1, step_percent="0.5")
            wanted["lines"][0]["unit_price"] = "1000"
            answer = await client.post("/api/auctions", json=wanted)
            assert answer.status_code == 201, answer.text
            day.auctions.append(answer.json()["auction_id"])
    bidding = asyncio.gather(*(bid_on(day, supplier, number) for number, supplier in enumerate(suppliers)))
    for web in day.webs:
        seen = day.verdicts
        await until(lambda seen=seen: day.verdicts >= seen + BETWEEN_KILLS, 90, "bids are answered")  # type: ignore[misc]
        os.kill(web.pid, signal.SIGKILL)
        await until(lambda web=web: web.exit_code is not None, 5, "it is dead")  # type: ignore[misc]
        day.killed.append(web.exit_code)
        seen = day.verdicts
        await until(lambda seen=seen: day.verdicts >= seen + BETWEEN_KILLS, 90, "the other goes on")  # type: ignore[misc]
        web.start()
        await web.wait_ready()
    await one_sleeps(day)
    day.over = True
    await bidding
    async with day.market.client() as visitor:

        async def proved() -> bool:
            for auction_id in day.auctions:
                answer = await visitor.get(f"/api/auctions/{auction_id}/proof")
                if answer.status_code != 200:
                    return False
                day.proofs[auction_id] = answer.content
            return True

        await day.market.eventually(proved, within=120)


async def one_sleeps(day: Day) -> None:
    """Suspend one process. When it continues, it finds the requests that came meanwhile, and decides with the state
    that it had cached before."""
    sleeper = day.webs[0]
    before = {url: day.verdicts_of(url) for url in day.urls}
    os.kill(sleeper.pid, signal.SIGSTOP)
    await asyncio.sleep(ASLEEP)
    day.meanwhile = {url: day.verdicts_of(url) - count for url, count in before.items()}
    os.kill(sleeper.pid, signal.SIGCONT)
    seen = day.verdicts_of(day.urls[0])
    await until(lambda: day.verdicts_of(day.urls[0]) >= seen + AFTER_WAKING, 90, "the one that slept answers again")


async def bid_on(day: Day, supplier: Principal, number: int) -> None:
    """Bid the next amount, alternately through one process and the other, and every third time through both at once."""
    rng = random.Random(number)
    headers = {"authorization": f"Bearer {day.market.token(supplier)}"}
    async with AsyncExitStack() as stack:
        webs = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=5))
            for url in day.urls
        ]
        while not day.over:
            auction_id, (first, second) = rng.choice(day.auctions), rng.sample(webs, 2)
            try:
                view = (await first.get(f"/api/auctions/{auction_id}")).json()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            wish = Wish(
                auction_id,
                supplier,
                f"wish-{number}-{len(day.wishes)}",
                view["next_bid"] or "1",
                twins=rng.random() < 0.3,
            )
            day.wishes.append(wish)
            if wish.twins:
                await asyncio.gather(until_answered(wish, first, second), until_answered(wish, second, first))
            else:
                await until_answered(wish, first, second)


async def until_answered(wish: Wish, *webs: httpx.AsyncClient) -> None:
    """Send the bid through one process, then through the other, and so on, always with the same key."""
    for turn in range(200):
        try:
            answer = await webs[turn % 2].post(
                f"/api/auctions/{wish.auction_id}/bids",
                json={"amount": wish.amount},
                headers={"idempotency-key": wish.key},
            )
        except httpx.ConnectError:  # the request did not arrive
            await asyncio.sleep(0.05)
            continue
        except httpx.TransportError:
            wish.broken += 1
            continue
        if answer.status_code in (201, 422):
            wish.answers.append((answer.status_code, answer.json()))
            wish.answered_by.append(f"http://127.0.0.1:{answer.url.port}")
            return
        assert answer.status_code == 503, answer.text
        wish.broken += 1
        await asyncio.sleep(0.05)
    raise AssertionError(f"{wish.key} was never answered")


async def test_both_were_killed_under_bids_that_were_on_the_way(day: Day) -> None:
    assert day.killed == [-signal.SIGKILL, -signal.SIGKILL]
    assert any(wish.broken for wish in day.wishes)


async def test_while_one_slept_the_other_went_on(day: Day) -> None:
    """The tests below include the bids that the suspended process decided when it continued."""
    asleep, awake = (day.meanwhile[url] for url in day.urls)
    assert awake > asleep


async def test_one_key_sent_to_both_at_once_gets_one_verdict(day: Day) -> None:
    twins = [wish for wish in day.wishes if wish.twins]
    assert len(twins) > 20
    for wish in twins:
        (one, first), (other, second) = wish.answers
        assert one == other
        # One line of the log, signed by whichever process answered.
        told = [{**answer, "receipt": answer["receipt"]["hash"]} for answer in (first, second)]
        assert told[0] == told[1]


async def test_every_wish_has_one_verdict_in_the_log_and_it_is_the_one_that_was_answered(day: Day) -> None:
    logged: Counter[tuple[str, str, str]] = Counter()
    verdicts: dict[tuple[str, str, str], Any] = {}
    for auction_id in day.auctions:
        for row in await day.rows(auction_id):
            key = (auction_id, row["supplier_id"], row["request_key"])
            logged[key] += 1
            verdicts[key] = row
    for wish in day.wishes:
        key = (wish.auction_id, wish.supplier.organisation_id, wish.key)
        assert logged[key] == 1, wish
        for status, answer in wish.answers:
            assert (answer.get("sequence"), answer["receipt"]["position"]) == (
                verdicts[key]["sequence"],
                verdicts[key]["line"],
            )
            assert (status == 201) == (verdicts[key]["sequence"] is not None)
    assert logged.total() == len(day.wishes)


async def test_the_log_is_one_chain_and_the_accepted_are_one_falling_sequence(day: Day) -> None:
    for auction_id in day.auctions:
        accepted = [row for row in await day.rows(auction_id) if row["sequence"] is not None]
        assert [row["sequence"] for row in accepted] == list(range(1, len(accepted) + 1))
        amounts = [row["amount"] for row in accepted]
        assert amounts == sorted(set(amounts), reverse=True)
        audit, _ = verify(day.proofs[auction_id], key=day.market.resources.signer.key)
        assert audit.accepted == len(accepted)


async def test_each_auction_closed_once_for_its_lowest_bidder(day: Day) -> None:
    closed = Counter(event.auction_id for event in await day.market.published("auctions", AuctionClosed))
    assert closed == Counter(day.auctions)
    for event in await day.market.published("auctions", AuctionClosed):
        best = [row for row in await day.rows(event.auction_id) if row["sequence"] is not None][-1]
        assert (event.winner_id, event.amount) == (best["supplier_id"], Decimal(best["amount"]))
