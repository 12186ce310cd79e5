"""A process that sends bids or no-op requests. It imports little, so that it starts quickly."""

import asyncio
import json
import sys
import time
from collections import deque
from decimal import Decimal

import msgspec
import uvloop

INITIAL = Decimal("5000000.00")
STEP = Decimal("0.01")
CONNECTIONS = 256
"""So many connections that the pause of the lane between two batches does not limit the closed loop: 64 got at most 64
verdicts in 14 ms."""
TICK = 0.001
"""The resolution of the loop's timer in seconds: a shorter wait would be a busy loop, on a core that the market
needs."""
STEPS_A_RUN = 50_000
"""More steps than a run takes: the next run begins below its price."""


class Bidder(asyncio.Protocol):
    """One connection with one open request: the next one is sent when the answer is complete."""

    def __init__(self, load: "Load", number: int) -> None:
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


class Load:
    def __init__(
        self, port: int, paths: list[str], tokens: list[str], seconds: float, rate: float | None, run: int
    ) -> None:
        self.port, self.paths, self.tokens = port, paths, tokens
        self.rate = rate
        self.idle: list[Bidder] = []
        self.overdue: deque[float] = deque()
        self.began = time.perf_counter()
        self.until = self.began + seconds
        self.times: list[float] = []
        self.sent = 0
        self.running = CONNECTIONS
        self.all_ended = asyncio.get_running_loop().create_future()
        self.run = run

    def request(self, connection: int) -> bytes:
        """The next request of a connection. An auction's price falls by one step with each bid; bids may arrive in
        another order, and then one is refused."""
        self.sent += 1
        turn, which = divmod(self.sent, len(self.paths))
        amount = INITIAL - (turn + 1 + self.run * STEPS_A_RUN) * STEP
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

    def free(self, bidder: Bidder) -> None:
        """A connection is idle: in the closed loop it sends again; in the open loop it sends an overdue request, or
        waits."""
        if time.perf_counter() >= self.until and not self.overdue:
            bidder.transport.close()
        elif self.rate is None:
            bidder.send(time.perf_counter())
        elif self.overdue:
            bidder.send(self.overdue.popleft())
        else:
            self.idle.append(bidder)

    async def keep_time(self) -> None:
        """The open loop: every request has a fixed instant, whether or not earlier ones are answered."""
        assert self.rate is not None
        count = 0
        while (intended := self.began + count / self.rate) < self.until:
            if (early := intended - time.perf_counter()) > 0:
                await asyncio.sleep(max(early, TICK))
            while (intended := self.began + count / self.rate) <= time.perf_counter() and intended < self.until:
                count += 1
                self.overdue.append(intended)
            while self.idle and self.overdue:
                self.idle.pop().send(self.overdue.popleft())
        self.until = time.perf_counter()  # connections that are answered from now on have nothing more to send
        for bidder in self.idle:
            bidder.transport.close()
        self.idle.clear()

    def ended(self) -> None:
        self.running -= 1
        if not self.running:
            self.all_ended.set_result(None)


async def load() -> None:
    order = json.loads(sys.stdin.read())
    fired = Load(**order)
    loop = asyncio.get_running_loop()
    for number in range(CONNECTIONS):
        await loop.create_connection(lambda number=number: Bidder(fired, number), "127.0.0.1", fired.port)  # type: ignore[misc]
    if fired.rate is not None:
        await fired.keep_time()
    await fired.all_ended
    times = sorted(fired.times)
    print(
        json.dumps(
            {"done": len(times), "elapsed": time.perf_counter() - fired.began, "p99": times[int(len(times) * 0.99)]}
        )
    )


if __name__ == "__main__":
    uvloop.run(load())
