"""Two web processes decide the bids on the same few auctions as one process would, although each is killed once during
the bidding, and one is suspended for a while."""

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
from infra.embedded.process import Child, ProcessPart
from infra.producer import Producer
from infra.runtime import prepare, standing
from infra.tokens import Principal
from services.auctions.proof import verify
from tests.faults.living import POLICY, until
from tests.market import Market, Markets, empty_database, skip_to_now
from tests.services.auctions.market_builders import an_organisation, paper

SUPPLIERS, AUCTIONS = 10, 3
BETWEEN_KILLS = 60
"""How many bids must be answered before each kill, and how many after it, before the process is started again."""
SUSPENDED_SECONDS = 20
"""Seconds for which one process is suspended; longer than any time limit of the other process or of the database."""
AFTER_CONTINUING = 40
"""How many bids the suspended process must answer after it continues."""


@dataclass
class SentBid:
    """A bid that a supplier sends until it is answered. ``answered_by`` are the addresses of the processes that gave
    the ``answers``. ``to_both``: it is sent to both processes at once. ``broken`` counts the tries without an answer,
    after which it may have been decided."""

    auction_id: str
    supplier: Principal
    key: str
    amount: str
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    answered_by: list[str] = field(default_factory=list)
    to_both: bool = False
    broken: int = 0


@dataclass
class Run:
    """The auctions, the two processes, the bids that were sent, and what happened."""

    market: Market
    webs: list[Child]
    urls: list[str]
    auctions: list[str] = field(default_factory=list)
    bids: list[SentBid] = field(default_factory=list)
    killed: list[int | None] = field(default_factory=list)
    meanwhile: dict[str, int] = field(default_factory=dict)
    """The number of bids that each process answered while the first one was suspended, by its address."""
    over: bool = False
    """Whether the suppliers must stop bidding."""
    proofs: dict[str, bytes] = field(default_factory=dict)

    @property
    def verdicts(self) -> int:
        return sum(len(bid.answers) for bid in self.bids)

    def verdicts_of(self, url: str) -> int:
        return sum(bid.answered_by.count(url) for bid in self.bids)

    async def rows(self, auction_id: str) -> list[Any]:
        """Return the bids in the auction's log, in its order."""
        return await self.market.fetch(
            "select supplier_id, request_key, sequence, amount, line from auctions.bids where auction_id = $1 order by line",
            auction_id,
        )


@pytest.fixture(scope="module")
async def run(servers: Servers, topics: None, markets: Markets) -> AsyncIterator[Run]:
    await markets.stop()  # the consumers of that market would take some of the partitions
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
        run = Run(Market(resources, ShiftedClock(), urls[0], kafka), webs, urls)
        await bid_and_kill(run)
        yield run


def a_process(config: Config, stack: AsyncExitStack, name: str, half: str) -> Child:
    """Return a process, not started yet, that runs one half (web or worker) of the service of auctions."""
    port = free_port(config.home, name)

    async def ready() -> bool:
        return half == "worker" or await answers(port)

    part = ProcessPart(
        name=name,
        command=(sys.executable, "-m", "infra.cli", "serve", "auctions", "--only", half, "--port", str(port)),
        environment=config.environment(),
        ready=ready,
        port=port,
    )
    child = Child(part, config.home)
    stack.push_async_callback(asyncio.to_thread, child.stop)
    return child


async def bid_and_kill(run: Run) -> None:
    """Open the auctions, let the suppliers bid, kill each web process, suspend one, and fetch the proofs at the end."""
    buyer = await an_organisation(run.market, "buyer")
    suppliers = [await an_organisation(run.market, "supplier") for _ in range(SUPPLIERS)]
    async with run.market.client(buyer) as client:
        for number in range(AUCTIONS):
            wanted = paper(title=f"Paper {number}", duration_minutes=1, step_percent="0.5")
            wanted["lines"][0]["unit_price"] = "1000"
            answer = await client.post("/api/auctions", json=wanted)
            assert answer.status_code == 201, answer.text
            run.auctions.append(answer.json()["auction_id"])
    bidding = asyncio.gather(*(bid_on(run, supplier, number) for number, supplier in enumerate(suppliers)))
    for web in run.webs:
        seen = run.verdicts
        await until(lambda seen=seen: run.verdicts >= seen + BETWEEN_KILLS, 90, "bids are answered")  # type: ignore[misc]
        os.kill(web.pid, signal.SIGKILL)
        await until(lambda web=web: web.exit_code is not None, 5, "the process has ended")  # type: ignore[misc]
        run.killed.append(web.exit_code)
        seen = run.verdicts
        await until(lambda seen=seen: run.verdicts >= seen + BETWEEN_KILLS, 90, "the other process answers bids")  # type: ignore[misc]
        web.start()
        await web.wait_ready()
    await suspend_one(run)
    run.over = True
    await bidding
    async with run.market.client() as visitor:

        async def proved() -> bool:
            for auction_id in run.auctions:
                answer = await visitor.get(f"/api/auctions/{auction_id}/proof")
                if answer.status_code != 200:
                    return False
                run.proofs[auction_id] = answer.content
            return True

        await run.market.eventually(proved, within=120)


async def suspend_one(run: Run) -> None:
    """Suspend the first process for a while. When it continues, it finds requests that arrived meanwhile, and still has
    the state in its cache that it read before."""
    suspended = run.webs[0]
    before = {url: run.verdicts_of(url) for url in run.urls}
    os.kill(suspended.pid, signal.SIGSTOP)
    await asyncio.sleep(SUSPENDED_SECONDS)
    run.meanwhile = {url: run.verdicts_of(url) - count for url, count in before.items()}
    os.kill(suspended.pid, signal.SIGCONT)
    seen = run.verdicts_of(run.urls[0])
    await until(
        lambda: run.verdicts_of(run.urls[0]) >= seen + AFTER_CONTINUING,
        90,
        "the process that was suspended answers again",
    )


async def bid_on(run: Run, supplier: Principal, number: int) -> None:
    """Bid the next amount on a random auction, again and again: first through one process, chosen at random, and in
    about three of ten cases through both at once."""
    rng = random.Random(number)
    headers = {"authorization": f"Bearer {run.market.token(supplier)}"}
    async with AsyncExitStack() as stack:
        webs = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, timeout=5))
            for url in run.urls
        ]
        while not run.over:
            auction_id, (first, second) = rng.choice(run.auctions), rng.sample(webs, 2)
            try:
                view = (await first.get(f"/api/auctions/{auction_id}")).json()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            bid = SentBid(
                auction_id,
                supplier,
                f"bid-{number}-{len(run.bids)}",
                view["next_bid"] or "1",
                to_both=rng.random() < 0.3,
            )
            run.bids.append(bid)
            if bid.to_both:
                await asyncio.gather(until_answered(bid, first, second), until_answered(bid, second, first))
            else:
                await until_answered(bid, first, second)


async def until_answered(bid: SentBid, *webs: httpx.AsyncClient) -> None:
    """Send the bid through the two processes in turn, always with the same key, until one answers with a verdict."""
    for turn in range(200):
        try:
            answer = await webs[turn % 2].post(
                f"/api/auctions/{bid.auction_id}/bids",
                json={"amount": bid.amount},
                headers={"idempotency-key": bid.key},
            )
        except httpx.ConnectError:  # the request did not arrive
            await asyncio.sleep(0.05)
            continue
        except httpx.TransportError:
            bid.broken += 1
            continue
        if answer.status_code in (201, 422):
            bid.answers.append((answer.status_code, answer.json()))
            bid.answered_by.append(f"http://127.0.0.1:{answer.url.port}")
            return
        assert answer.status_code == 503, answer.text
        bid.broken += 1
        await asyncio.sleep(0.05)
    raise AssertionError(f"{bid.key} was never answered")


async def test_both_were_killed_while_bids_waited_for_their_answers(run: Run) -> None:
    assert run.killed == [-signal.SIGKILL, -signal.SIGKILL]
    assert any(bid.broken for bid in run.bids)


async def test_while_one_process_was_suspended_the_other_answered_bids(run: Run) -> None:
    """The tests below cover the bids that the suspended process decided after it continued."""
    suspended, other = (run.meanwhile[url] for url in run.urls)
    assert other > suspended


async def test_one_key_sent_to_both_at_once_gets_one_verdict(run: Run) -> None:
    to_both = [bid for bid in run.bids if bid.to_both]
    assert len(to_both) > 20
    for bid in to_both:
        (one, first), (other, second) = bid.answers
        assert one == other
        # Both answers show the same line of the log. The signatures may differ: each process signs its own receipt.
        told = [{**answer, "receipt": answer["receipt"]["hash"]} for answer in (first, second)]
        assert told[0] == told[1]


async def test_every_bid_has_one_verdict_in_the_log_which_is_the_one_in_the_answers(run: Run) -> None:
    logged: Counter[tuple[str, str, str]] = Counter()
    verdicts: dict[tuple[str, str, str], Any] = {}
    for auction_id in run.auctions:
        for row in await run.rows(auction_id):
            key = (auction_id, row["supplier_id"], row["request_key"])
            logged[key] += 1
            verdicts[key] = row
    for bid in run.bids:
        key = (bid.auction_id, bid.supplier.organisation_id, bid.key)
        assert logged[key] == 1, bid
        for status, answer in bid.answers:
            assert (answer.get("sequence"), answer["receipt"]["position"]) == (
                verdicts[key]["sequence"],
                verdicts[key]["line"],
            )
            assert (status == 201) == (verdicts[key]["sequence"] is not None)
    assert logged.total() == len(run.bids)


async def test_the_log_is_one_chain_and_the_amounts_of_accepted_bids_only_fall(run: Run) -> None:
    for auction_id in run.auctions:
        accepted = [row for row in await run.rows(auction_id) if row["sequence"] is not None]
        assert [row["sequence"] for row in accepted] == list(range(1, len(accepted) + 1))
        amounts = [row["amount"] for row in accepted]
        assert amounts == sorted(set(amounts), reverse=True)
        audit, _ = verify(run.proofs[auction_id], key=run.market.resources.signer.key)
        assert audit.accepted == len(accepted)


async def test_each_auction_closed_once_for_its_lowest_bidder(run: Run) -> None:
    closed = Counter(event.auction_id for event in await run.market.published("auctions", AuctionClosed))
    assert closed == Counter(run.auctions)
    for event in await run.market.published("auctions", AuctionClosed):
        best = [row for row in await run.rows(event.auction_id) if row["sequence"] is not None][-1]
        assert (event.winner_id, event.amount) == (best["supplier_id"], Decimal(best["amount"]))
