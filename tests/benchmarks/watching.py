"""How long after its commit a bid is seen by a thousand watchers of its auction, beside a push that does nothing.

The watchers are SSE connections of a separate process; some belong to suppliers who bid, and get their own part of the
page. A bid counts as committed when the database notifies this process; a watcher has it when it has received the bytes
that show it or a later one. Bids come at irregular instants, with the rate of the last minutes of a busy auction.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from infra.embedded import Servers
from services.auctions.journal import channel
from tests.benchmarks import Figure
from tests.benchmarks.load import INITIAL, STEP
from tests.benchmarks.site import NOTHING_LIVE, Site, site, web, worker
from tests.benchmarks.watchers import WATCHERS

SECONDS = 10.0
A_SECOND = 10.0
BEFORE = 100
"""Bids before the watchers connect, so that the log is full and every supplier takes part."""
SIZE = 16_000
"""Bytes of a no-op push: as many as that of a bid, or a few more."""
Happen = Callable[[int], Awaitable[None]]


async def measure(servers: Servers) -> list[Figure]:
    """Milliseconds from the commit of each bid to each watcher."""
    async with site(servers) as market, web(market.config) as process, worker(market.config):
        (auction_id,) = await market.open([market.resources.clock() + timedelta(hours=1)])
        tokens = list(market.tokens.values())

        async def nothing(number: int) -> None:
            said = {"channel": NOTHING_LIVE, "data": {"version": number, "size": SIZE}}
            await market.resources.database.pool.execute(
                "select pg_notify('lonja_live', $1)", msgspec.json.encode(said).decode()
            )

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{process.port}") as client:

            async def bid(number: int) -> None:
                answer = await client.post(
                    f"/api/auctions/{auction_id}/bids",
                    json={"amount": str(INITIAL - number * STEP)},
                    headers={"authorization": f"Bearer {tokens[number % len(tokens)]}"},
                )
                if answer.json().get("sequence") != number:
                    raise AssertionError(f"bid {number} was answered {answer.text}")

            for number in range(1, BEFORE):
                await bid(number)
            limits = await _watched(market, process.port, NOTHING_LIVE, "nothing", NOTHING_LIVE, nothing)
            watched = f"/auctions/{auction_id}/live"
            before = process.cpu_seconds()
            times = await _watched(market, process.port, watched, "said", channel(auction_id), bid)
            busy = (process.cpu_seconds() - before) / SECONDS
        await market.check_events()
    figures = []
    for name, at in (("p50", 0.5), ("p99", 0.99)):
        limit, value = limits[int(len(limits) * at)] * 1000, times[int(len(times) * at)] * 1000
        aim = "below 100 ms" if name == "p99" else ""
        what = f"to {WATCHERS:,} watchers, {name}"
        figures += [
            Figure(name=f"a push of nothing {what}", value=limit, unit="ms"),
            Figure(name=f"from commit {what}", value=value, unit="ms", limit=limit, ratio=value / limit, aim=aim),
        ]
    return [*figures, Figure(name="the web process meanwhile", value=100 * busy, unit="% of a core")]


async def _watched(market: Site, port: int, path: str, event: str, channel: str, happen: Happen) -> list[float]:
    """Call ``happen`` at random instants. Return the seconds from each commit until each watcher had it, shortest
    first."""
    committed: dict[int, float] = {}

    def heard(_connection: Any, _pid: int, _name: str, payload: str) -> None:
        said = msgspec.json.decode(payload)
        if said["channel"] == channel:
            committed[said["data"]["version"]] = time.monotonic()

    order = json.dumps({"port": port, "path": path, "event": event, "tokens": list(market.tokens.values())})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.watchers", order, stdin=-1, stdout=-1, cwd=Path(__file__).parents[2]
    )
    assert process.stdin and process.stdout and market.config.database_url
    listener = await asyncpg.connect(market.config.database_url)
    try:
        await listener.add_listener("lonja_live", heard)
        if await process.stdout.readline() != b"ready\n":
            raise AssertionError("the watchers did not connect")
        dice = random.Random(7)
        number, instant, until = BEFORE, time.monotonic(), time.monotonic() + SECONDS
        while (instant := instant + dice.expovariate(A_SECOND)) < until:
            await asyncio.sleep(max(0.0, instant - time.monotonic()))
            await happen(number)
            number += 1
        answer, _ = await process.communicate(b"%d\n" % (number - 1))
    finally:
        await listener.close()
    if process.returncode:
        raise AssertionError("the process of the watchers failed")
    if sorted(committed) != list(range(BEFORE, number)):
        raise AssertionError(f"{number - BEFORE} happened, {len(committed)} were committed")
    return sorted(
        seconds for seen in json.loads(answer) for seconds in _waited(committed, [(each[0], each[1]) for each in seen])
    )


def _waited(committed: dict[int, float], seen: Sequence[tuple[int, float]]) -> list[float]:
    """For one watcher: the time of each number until it or a later one had arrived."""
    waited = []
    for number, since in committed.items():
        first = min((at for shown, at in seen if shown >= number), default=None)
        if first is None:
            raise AssertionError(f"a watcher never saw number {number}")
        waited.append(first - since)
    return waited
