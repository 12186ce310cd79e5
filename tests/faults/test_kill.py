"""Kill -9 in the middle of a market day: every process in turn, then the supervisor. Nothing acknowledged is lost or doubled."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from catalogue.roles import SUPPLIER_AGENT
from events.auctions import AuctionClosed, AuctionOpened
from events.contracts import ContractConcluded, ContractDrafted
from infra.clock import system_clock
from infra.runtime import load, standing
from infra.service import Resources
from infra.tokens import Principal
from services.demonstration.client import Client
from tests.faults.living import Lonja, MarketReader, until
from tests.servers import home_of_tests

pytestmark = pytest.mark.servers

SECONDS, RATE, AGENCIES = 90, 25, 4
BETWEEN_KILLS = 40
"""This many verdicts must be acknowledged after a part was started again, before the next one is killed."""
PARTS = ("web", "worker", "streams", "kafka", "postgres")
"""The worker has the relays, the consumers and the timers."""


@dataclass(frozen=True)
class Day(MarketReader):
    """The answers to the client (`acknowledged`, `summary`), and the state of the market afterwards."""

    acknowledged: list[dict[str, Any]]
    summary: dict[str, Any]
    said: str
    opened: dict[str, AuctionOpened]
    """The day's auctions, by id."""

    async def accepted(self, auction_id: str) -> list[dict[str, Any]]:
        """The public list of accepted bids of the auction, latest first."""
        found: list[dict[str, Any]] = []
        before = None
        async with Client.visiting(self.url) as visitor:
            while page := await visitor.get(f"/api/auctions/{auction_id}/bids", before=before):
                found += [entry["event"] for entry in page if entry["verdict"] == "accepted"]
                before = page[-1]["position"]
        return found

    @property
    def url(self) -> str:
        return self.resources.config.local_url


@pytest.fixture(scope="module")
async def day() -> AsyncIterator[Day]:
    home = home_of_tests() / "faults"
    shutil.rmtree(home, ignore_errors=True)
    lonja = Lonja(home)
    record = lonja.home / "acknowledged.jsonl"
    try:
        await lonja.start()
        summary = await play(lonja, record)
        acknowledged = [json.loads(line) for line in record.read_text().splitlines()]
        async with standing(lonja.config) as resources:
            found = Day(resources, load(resources), acknowledged, summary, lonja.output, {})
            ids = {line["auction_id"] for line in acknowledged}
            found.opened.update({e.auction_id: e for e in await found.events_of(AuctionOpened) if e.auction_id in ids})
            yield found
    finally:
        await lonja.stop()


async def play(lonja: Lonja, record: Path) -> dict[str, Any]:
    """Play a market day during which every process is killed once. Return its summary."""

    def verdicts() -> int:
        return record.read_bytes().count(b"\n") if record.exists() else 0

    async def all_goes_on(part: str) -> None:
        """Check that bids are answered and their events are published: relay and Kafka work again, too."""
        seen = verdicts()
        await until(lambda: verdicts() >= seen + BETWEEN_KILLS, 90, f"bids are answered after {part} was killed")
        answered = time.monotonic() - began
        await lonja.catches_up(90)
        told = time.monotonic() - began
        print(
            f"{part} was killed: {BETWEEN_KILLS} bids were answered after {answered:.1f} s, told of after {told:.1f} s"
        )

    simulate = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", "simulate", "--json", "--record", str(record)),
        *("--seconds", str(SECONDS), "--bids-per-second", str(RATE), "--agencies", str(AGENCIES), "--patience", "90"),
        env={**os.environ, **lonja.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await until(lambda: verdicts() >= BETWEEN_KILLS, 60, "the first bids are answered")
        for part in PARTS:
            began = time.monotonic()
            await lonja.kill(part)
            await all_goes_on(part)
        began = time.monotonic()
        await lonja.kill_all()
        await lonja.start()
        print(f"the supervisor was killed: all is ready {time.monotonic() - began:.1f} s after it")
        answer, errors = await asyncio.wait_for(simulate.communicate(), 600)  # every outage made the auctions longer
    finally:
        if simulate.returncode is None:
            simulate.kill()
    assert simulate.returncode == 0, errors.decode()
    summary: dict[str, Any] = json.loads(answer)
    return summary


async def test_every_part_was_killed_and_started_again(day: Day) -> None:
    for part in PARTS:
        assert f"CRASH: {part} ended with signal 9" in day.said
    assert day.summary["bids_unanswered"] == 0
    assert day.summary["bids_accepted"] == sum(line["verdict"] == "accepted" for line in day.acknowledged)


async def test_every_acknowledged_bid_is_in_the_public_log_once(day: Day) -> None:
    promised: dict[str, list[tuple[int, Decimal]]] = {}
    for line in day.acknowledged:
        if line["verdict"] == "accepted":
            promised.setdefault(line["auction_id"], []).append((line["sequence"], Decimal(line["amount"])))
    assert promised
    for auction_id, bids in promised.items():
        public = Counter((bid["sequence"], Decimal(bid["amount"])) for bid in await day.accepted(auction_id))
        assert {bid: public[bid] for bid in bids} == dict.fromkeys(bids, 1)


async def test_sequences_have_no_gap_and_the_price_only_falls(day: Day) -> None:
    for auction_id in day.opened:
        bids = (await day.accepted(auction_id))[::-1]
        assert [bid["sequence"] for bid in bids] == list(range(1, len(bids) + 1))
        amounts = [Decimal(bid["amount"]) for bid in bids]
        assert amounts == sorted(set(amounts), reverse=True)


async def test_a_bid_sent_again_gets_its_first_verdict_and_changes_nothing(day: Day) -> None:
    before = await day.rows("select count(*) from auctions.bids")
    async with httpx.AsyncClient(base_url=day.url, timeout=30) as http:
        for line in day.acknowledged[:: max(1, len(day.acknowledged) // 100)]:
            headers = {
                "authorization": f"Bearer {token(day.resources, line['supplier_id'])}",
                "idempotency-key": line["request_key"],
            }
            path = f"/api/auctions/{line['auction_id']}/bids"
            verdict = (await http.post(path, json={"amount": line["amount"]}, headers=headers)).json()
            for name in ("verdict", "sequence", "amount", "rule"):
                assert (verdict.get(name) or None) == (line.get(name) or None), line
            other = (await http.post(path, json={"amount": "1"}, headers=headers)).json()
            assert other["rule"] == "idempotency-key-reused", line
    assert await day.rows("select count(*) from auctions.bids") == before


def token(resources: Resources, supplier_id: str) -> str:
    principal = Principal(
        member_id=supplier_id,
        name="The same again",
        organisation_id=supplier_id,
        organisation_name="",
        roles=(SUPPLIER_AGENT,),
    )
    return resources.tokens.issue(principal, system_clock())


async def test_every_auction_closed_once_and_the_lowest_bid_won(day: Day) -> None:
    closed: dict[str, list[AuctionClosed]] = {}
    for event in await day.events_of(AuctionClosed):
        closed.setdefault(event.auction_id, []).append(event)
    lowest = {
        row["auction_id"]: row
        for row in await day.rows(
            "select distinct on (auction_id) auction_id, supplier_id, amount, sequence from auctions.bids"
            " where sequence is not null order by auction_id, amount"
        )
    }
    for auction_id in day.opened:
        (result,) = closed[auction_id]
        best = lowest.get(auction_id)
        assert result.outcome == ("successful" if best else "unsuccessful")
        if best:
            assert (result.winner_id, result.amount, result.bids) == tuple(best.values())[1:]
            assert sum(line.amount for line in result.lines) == result.amount


async def test_every_won_auction_has_its_contract_and_a_pool_one_for_each_member(day: Day) -> None:
    drafted = Counter((e.process_id, e.buyer_id) for e in await day.events_of(ContractDrafted))
    amounts: dict[str, Decimal] = {}
    for event in await day.events_of(ContractDrafted):
        amounts[event.process_id] = amounts.get(event.process_id, Decimal(0)) + event.amount
    won = {e.auction_id: e for e in await day.events_of(AuctionClosed) if e.winner_id and e.auction_id in day.opened}
    assert won
    for auction_id, result in won.items():
        process = day.opened[auction_id].pool_id or auction_id
        contracts = [count for (which, _), count in drafted.items() if which == process]
        assert contracts == [1] * (AGENCIES if result.pool_id else 1)
        assert amounts[process] == result.amount
    concluded = Counter(e.contract_id for e in await day.events_of(ContractConcluded))
    assert set(concluded.values()) == {1}
    assert day.summary["contracts_concluded"] == sum(drafted[key] for key in drafted if key[0] in processes(day, won))


def processes(day: Day, won: dict[str, AuctionClosed]) -> set[str]:
    return {day.opened[auction_id].pool_id or auction_id for auction_id in won}


async def test_every_event_was_published_and_reached_each_listener_once(day: Day) -> None:
    await day.wait_until_handled(30)


async def test_nothing_became_a_dead_letter(day: Day) -> None:
    assert await day.dead_letters() == []


async def test_figures_that_add_up_counted_each_contract_once(day: Day) -> None:
    """The portal's totals are sums kept by increments."""
    sums: dict[str, tuple[int, Decimal]] = {}
    for event in await day.events_of(ContractConcluded):
        count, amount = sums.get(event.currency or "", (0, Decimal(0)))
        sums[event.currency or ""] = count + 1, amount + (event.amount or 0)
    kept = await day.rows("select currency, contracts, amount from portal.totals")
    assert {row["currency"]: (row["contracts"], row["amount"]) for row in kept} == sums
