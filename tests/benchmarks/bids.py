"""Durable bids per second over HTTP, beside a no-op JSON POST through the same middleware in the same run.

The web process is the real app of auctions with one more route, ``POST /api/nothing``, that decodes the same body and answers.
The load comes from a process of its own: plain sockets that keep one request each on the way (a client library would be slower
than the server). The closed loop says how many go through; then an open loop sends at 70 % of that at fixed instants, and each
answer is timed from the instant at which its request should have left, so that a stall counts for all that it held up.

Every bid is by a supplier of its own turn, one step below the price it read, or the next step down; refused bids are stored and
answered like accepted ones, so both count: each is one durable verdict.
"""

import asyncio
import json
import multiprocessing
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import asyncpg
import msgspec
import uvicorn
from litestar import post

from catalogue.policy import load as load_policy
from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened
from events.values import Category, Place
from infra import migrations
from infra.clock import system_clock
from infra.config import Config
from infra.embedded import Servers
from infra.ids import new_id
from infra.runtime import standing
from infra.tokens import SUPPLIER_AGENT, Principal
from infra.web import create_app
from infra.web.access import allow
from services.auctions import service as auctions_service
from services.auctions.api import BidIn
from services.auctions.domain.auction import begin
from services.auctions.domain.opening import session_rules
from services.auctions.store import Row, auctions, replicas
from tests.benchmarks import Figure
from tests.market import empty_database

SECONDS = 4.0
AUCTIONS = 1000
OPEN_LOOP = 0.7
CONNECTIONS = 64
SUPPLIERS = 64
INITIAL = Decimal("5000000.00")
STEP = Decimal("0.01")
NOTHING = "/api/nothing"


@post(NOTHING, opt=allow(SUPPLIER_AGENT), include_in_schema=False)
async def nothing(data: BidIn) -> BidIn:
    return data


async def measure(servers: Servers, seconds: float = SECONDS) -> list[Figure]:
    """Requests a second of a no-op, of bids on one auction and over many, and p99 at 70 % of each."""
    config = Config.load({"LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    url = await empty_database(servers, "lonja_bench")
    config = replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap, rate_limit=100_000_000)
    one, many, tokens = await _prepare(config)
    async with _web(config) as port:
        figures: list[Figure] = []
        load = {
            "no-op POST": [NOTHING],
            "bids on one auction": [f"/api/auctions/{one}/bids"],
            f"bids over {AUCTIONS:,} auctions": [f"/api/auctions/{each}/bids" for each in many],
        }
        base: float | None = None
        for name, paths in load.items():
            await _fire(port, paths, tokens, 0.5)  # warm
            done, elapsed, _ = await _fire(port, paths, tokens, seconds)
            rate = done / elapsed
            _, _, p99 = await _fire(port, paths, tokens, seconds, rate=rate * OPEN_LOOP)
            figures += [
                Figure(
                    name=name,
                    value=rate,
                    unit="requests/s",
                    limit=base,
                    ratio=rate / base if base else None,
                    aim=f"{0.6 if paths == [f'/api/auctions/{one}/bids'] else 0.5} of a no-op POST" if base else "",
                ),
                Figure(
                    name=f"{name}, p99 at 70 % of it", value=p99 * 1000, unit="ms", aim="below 50 ms" if base else ""
                ),
            ]
            base = base or rate
    connection = await asyncpg.connect(url)
    stored = await connection.fetchval("select count(*) from auctions.bids")
    sent = await connection.fetchval("select count(*) from auctions.outbox")
    await connection.close()
    if not stored or stored != sent:
        raise AssertionError(f"{stored} verdicts stored, {sent} events written")
    return figures


async def _prepare(config: Config) -> tuple[str, list[str], list[str]]:
    """One auction, many others, and tokens of suppliers that are known."""
    policy = load_policy("demo")
    async with standing(config) as ground:
        await migrations.upgrade(ground.database.engine, "auctions", Row.metadata)
        now = system_clock()
        ids = [new_id() for _ in range(AUCTIONS + 1)]
        suppliers = [new_id() for _ in range(SUPPLIERS)]
        async with ground.database.transaction("auctions") as tx:
            db = await tx.raw()
            for auction_id in ids:
                opened = AuctionOpened(
                    auction_id=auction_id,
                    buyer_id="bench",
                    buyer_name="Bench",
                    title="Bench",
                    kind="goods",
                    category=Category(code="30"),
                    place=Place(country="RU"),
                    currency="RUB",
                    initial_price=INITIAL,
                    step=STEP,
                    lines=(),
                    policy="demo",
                    opens_at=now,
                    closes_at=now.replace(year=now.year + 1),
                    rules=session_rules(policy.auction, None),
                )
                await auctions.insert(db, begin(opened), policy)
            for supplier in suppliers:
                await replicas.organisations.put(
                    db, OrganisationRegistered(organisation_id=supplier, roles=("supplier",), name="S")
                )
        tokens = [
            ground.tokens.issue(
                Principal(
                    member_id=each, name="S", organisation_id=each, organisation_name="S", roles=(SUPPLIER_AGENT,)
                ),
                now,
            )
            for each in suppliers
        ]
    return ids[0], ids[1:], tokens


@asynccontextmanager
async def _web(config: Config) -> AsyncIterator[int]:
    """The web process; its port. As in production: uvloop, httptools, one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(config, port), daemon=True)
    process.start()
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.join(10)


def _serve(config: Config, port: int) -> None:
    async def main() -> None:
        async with standing(config) as ground:
            service = auctions_service.create(ground)
            app = create_app(ground, [replace(service, routes=[*service.routes, nothing])], config.home)
            settings = uvicorn.Config(
                app, port=port, loop="uvloop", http="httptools", log_level="error", access_log=False
            )
            await uvicorn.Server(settings).serve()

    import uvloop

    uvloop.run(main())


async def _fire(
    port: int, paths: Sequence[str], tokens: Sequence[str], seconds: float, rate: float | None = None
) -> tuple[int, float, float]:
    """(answers, seconds, p99 in seconds), from a load process of its own; with a ``rate`` a second in an open loop."""
    wanted = {"port": port, "paths": list(paths), "tokens": list(tokens), "seconds": seconds, "rate": rate}
    order = json.dumps(wanted).encode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.bids", "--load", stdin=-1, stdout=-1, cwd=Path(__file__).parents[2]
    )
    answer, _ = await process.communicate(order)
    if process.returncode:
        raise AssertionError("the load process failed")
    result = json.loads(answer)
    return result["done"], result["elapsed"], result["p99"]


class _Bidder(asyncio.Protocol):
    """One connection with one request on its way: the next leaves when the answer is complete."""

    def __init__(self, load: "_Load", number: int) -> None:
        self.load, self.number, self.buffer = load, number, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.free(self)

    def send(self, intended: float) -> None:
        self.began = intended
        self.transport.write(self.load.request(self.number))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0])
        if len(rest) < length:
            return
        self.buffer = b""
        self.load.answered(head, rest, time.perf_counter() - self.began)
        self.load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.load.ended()


class _Load:
    def __init__(self, port: int, paths: list[str], tokens: list[str], seconds: float, rate: float | None) -> None:
        self.port, self.paths, self.tokens = port, paths, tokens
        self.rate = rate
        self.idle: list[_Bidder] = []
        self.overdue: deque[float] = deque()
        self.began = time.perf_counter()
        self.until = self.began + seconds
        self.times: list[float] = []
        self.sent = 0
        self.running = CONNECTIONS
        self.all_ended = asyncio.get_running_loop().create_future()
        self.run = int(time.time()) % 100_000

    def request(self, connection: int) -> bytes:
        """Each auction's price falls by one step a bid; bids overtake one another on the way, and then one is refused."""
        self.sent += 1
        turn, which = divmod(self.sent, len(self.paths))
        amount = INITIAL - (turn + 1 + self.run * 100) * STEP
        body = msgspec.json.encode({"amount": amount, "request_key": f"{self.run}-{self.sent}"})
        token = self.tokens[(turn + which) % len(self.tokens)]
        return (
            f"POST {self.paths[which]} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    def answered(self, head: bytes, body: bytes, seconds: float) -> None:
        status = head[9:12]
        if status not in (b"201", b"422"):
            raise SystemExit(f"{head.decode()}\n{body.decode()}")
        self.times.append(seconds)

    def free(self, bidder: _Bidder) -> None:
        """A connection has nothing to do: in the closed loop it sends again, in the open one what is overdue, or waits."""
        if time.perf_counter() >= self.until and not self.overdue:
            bidder.transport.close()
        elif self.rate is None:
            bidder.send(time.perf_counter())
        elif self.overdue:
            bidder.send(self.overdue.popleft())
        else:
            self.idle.append(bidder)

    async def keep_time(self) -> None:
        """The open loop: every request has its instant, whatever became of those before."""
        assert self.rate is not None
        count = 0
        while (intended := self.began + count / self.rate) < self.until:
            if (early := intended - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            while (intended := self.began + count / self.rate) <= time.perf_counter() and intended < self.until:
                count += 1
                self.overdue.append(intended)
            while self.idle and self.overdue:
                self.idle.pop().send(self.overdue.popleft())
        for bidder in self.idle:
            bidder.transport.close()
        self.idle.clear()

    def ended(self) -> None:
        self.running -= 1
        if not self.running:
            self.all_ended.set_result(None)


async def _load() -> None:
    order = json.loads(sys.stdin.read())
    load = _Load(**order)
    loop = asyncio.get_running_loop()
    for number in range(CONNECTIONS):
        await loop.create_connection(lambda number=number: _Bidder(load, number), "127.0.0.1", load.port)  # type: ignore[misc]
    if load.rate is not None:
        await load.keep_time()
    await load.all_ended
    times = sorted(load.times)
    print(
        json.dumps(
            {"done": len(times), "elapsed": time.perf_counter() - load.began, "p99": times[int(len(times) * 0.99)]}
        )
    )


if __name__ == "__main__":
    import uvloop

    uvloop.run(_load())
