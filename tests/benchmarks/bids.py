"""Durable bids per second over HTTP, with their events in Kafka, beside no-op JSON POSTs in the same run: one through the same
middleware, one without any.

The web and worker processes are the real ones of auctions (``site``). The load comes from a separate process: plain
sockets with one open request each (a client library would be slower than the server). The closed loop measures the
throughput, in alternating slices, so that other load of the machine affects all kinds equally. Then an open loop sends
at 70 % of that rate at fixed instants, and each answer is timed from the instant at which its request should have been
sent, so that a delay counts for all requests that it affects.

Suppliers bid in turn, one step below the price that they read, or one step further; refused bids are stored and
answered like accepted ones, so both count: each is one durable verdict and one event.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median

from infra.embedded import Servers
from tests.benchmarks import Figure
from tests.benchmarks.site import BARE, NOTHING, Site, Web, site, web, worker

SLICES = 3
SECONDS = 2.0
AUCTIONS = 1000
OPEN_LOOP = 0.7
OPEN_SECONDS = 4.0
LOOPS = 3
RUNS = count()


class _Measured:
    """The figures of one kind of request so far."""

    def __init__(self, name: str, paths: Sequence[str], aim: str = "") -> None:
        self.name, self.paths, self.aim = name, paths, aim
        self.done, self.elapsed, self.cpu = 0, 0.0, 0.0
        self.p99 = 0.0

    @property
    def rate(self) -> float:
        return self.done / self.elapsed

    async def slice(self, market: Site, process: Web, seconds: float) -> None:
        before = process.cpu_seconds()
        done, elapsed, _ = await _fire(market, process, self.paths, seconds)
        self.cpu += process.cpu_seconds() - before
        self.done += done
        self.elapsed += elapsed

    async def open_loop(self, market: Site, process: Web) -> None:
        """The middle of several: one stall of 40 ms alone doubles the p99 of 4 s."""
        loops = []
        for _ in range(LOOPS):
            await market.wait_for_events()
            loops.append((await _fire(market, process, self.paths, OPEN_SECONDS, rate=self.rate * OPEN_LOOP))[2])
        self.p99 = median(loops)

    @property
    def cpu_each(self) -> float:
        """CPU time for each request, in microseconds."""
        return self.cpu / self.done * 1_000_000

    def figures(self, limit: "_Measured | None") -> list[Figure]:
        rate, cpu = (limit.rate, limit.cpu_each) if limit else (None, None)
        return [
            _figure(self.name, self.rate, "requests/s", rate, self.aim),
            _figure(f"{self.name}, CPU of the web process", self.cpu_each, "µs each", cpu),
            _figure(f"{self.name}, p99 at 70 % of it", self.p99 * 1000, "ms", None, "below 50 ms" if self.aim else ""),
        ]


def _figure(name: str, value: float, unit: str, limit: float | None, aim: str = "") -> Figure:
    return Figure(name=name, value=value, unit=unit, limit=limit, ratio=value / limit if limit else None, aim=aim)


async def measure(servers: Servers) -> list[Figure]:
    """Requests a second of a no-op, of bids on one auction and over many, and p99 at 70 % of each."""
    async with site(servers) as market, web(market.config) as process, worker(market.config):
        ends = market.resources.clock() + timedelta(days=365)
        one, *many = await market.open([ends] * (AUCTIONS + 1))
        bare = _Measured("bare Litestar POST", [BARE])
        nothing = _Measured("no-op POST", [NOTHING])
        bids = [
            _Measured("bids on one auction", [f"/api/auctions/{one}/bids"], "0.7 of a no-op POST, 0.4 of a bare one"),
            _Measured(
                f"bids over {AUCTIONS:,} auctions",
                [f"/api/auctions/{each}/bids" for each in many],
                "0.5 of a no-op POST, 0.4 of a bare one",
            ),
        ]
        for each in (bare, nothing, *bids):
            await _fire(market, process, each.paths, 0.5)  # warm-up
        for _ in range(SLICES):
            for each in (bare, nothing, *bids):
                await market.wait_for_events()
                await each.slice(market, process, SECONDS)
        for each in (bare, nothing, *bids):
            await each.open_loop(market, process)
        await market.check_events()
        stored, told = await market.resources.database.pool.fetchrow(
            "select (select count(*) from auctions.bids), (select count(*) from auctions.outbox)"
        )
    if not stored or stored + AUCTIONS + 1 != told:
        raise AssertionError(f"{stored} verdicts stored, {told} events written")
    figures = [*bare.figures(None), *nothing.figures(bare)]
    for each in bids:
        figures += each.figures(nothing)
        figures.append(_figure(f"{each.name}, beside a bare POST", each.rate, "requests/s", bare.rate, "0.4"))
    return figures


async def _fire(
    market: Site, process: Web, paths: Sequence[str], seconds: float, rate: float | None = None
) -> tuple[int, float, float]:
    """(answers, seconds, p99 in seconds), from a separate load process; with a ``rate`` (per second) in an open
    loop."""
    wanted = {"port": process.port, "paths": list(paths), "tokens": list(market.tokens.values())}
    order = json.dumps({**wanted, "seconds": seconds, "rate": rate, "run": next(RUNS)}).encode()
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.load", stdin=-1, stdout=-1, cwd=Path(__file__).parents[2]
    )
    answer, _ = await load.communicate(order)
    if load.returncode:
        raise AssertionError("the load process failed")
    result = json.loads(answer)
    return result["done"], result["elapsed"], result["p99"]
