"""Processes with a wrong clock: at the start, and by a jump while an auction runs."""

import asyncio
import multiprocessing
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import redirect_stderr
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from events.auctions import AuctionClosed
from infra.clock import ShiftedClock, WrongClock, system_clock
from infra.config import Config
from infra.embedded import Servers
from infra.embedded.ports import answers, free_port
from infra.machine_clock import MachineClock
from infra.producer import Producer
from infra.runtime import prepare, run_streams, run_web, run_worker, standing
from services.auctions.outages import BEAT
from tests.market import Market, Markets, empty_database, skip_to_now
from tests.services.auctions.market_builders import Scene, a_scene

WRONG = timedelta(hours=13)


class Jumping:
    """The machine's clock, wrong by the number of hours in a file, while that file exists."""

    def __init__(self, when: Path) -> None:
        self._when = when

    def __call__(self) -> datetime:
        try:
            return system_clock() + timedelta(hours=int(self._when.read_text() or 0))
        except FileNotFoundError:
            return system_clock()


def work(config: Config, port: int, when: Path, said: Path) -> None:
    """Run web and worker of auctions in a separate process, which ends with exit code 3 if its clock is wrong at the
    start."""

    async def both() -> None:
        await asyncio.gather(
            run_web(config, ["auctions", "portal"], port, MachineClock(Jumping(when))),
            run_worker(config, ["auctions"], MachineClock(Jumping(when))),
        )

    with said.open("w", buffering=1) as out, redirect_stderr(out):
        try:
            asyncio.run(both())
        except WrongClock as wrong:
            said.write_text(str(wrong))
            os._exit(3)


class Site:
    def __init__(self, config: Config, market: Market) -> None:
        self.config, self.market = config, market
        self.when, self.said = config.home / "jump", config.home / "said"

    def start(self, port: int) -> multiprocessing.context.SpawnProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(self.config, port, self.when, self.said), daemon=True
        )
        process.start()
        return process


@pytest.fixture
async def site(servers: Servers, topics: None, markets: Markets) -> AsyncIterator[Site]:
    await markets.stop()  # its consumers would share the partitions
    await skip_to_now(servers.kafka_bootstrap, ("auctions",))
    home = servers.home / "wrong-clock"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    config = replace(
        Config.load({**os.environ, "LONJA_HOME": str(home), "LONJA_POLICY": "demo"}),
        database_url=await empty_database(servers, "lonja_wrong_clock"),
        kafka_bootstrap=servers.kafka_bootstrap,
        rate_limit=1_000_000,
    )
    await prepare(config)
    port = free_port(config.home, "web")
    async with standing(config) as resources:
        kafka = Producer(servers.kafka_bootstrap)
        await kafka.start()
        yield Site(config, Market(resources, ShiftedClock(), f"http://127.0.0.1:{port}", kafka))
        await kafka.stop()


async def let_the_database_jump_too(site: Site) -> None:
    """New connections to it get a time that is wrong by ``jumping.hours``."""
    for statement in (
        "create schema jumping",
        "create table jumping.hours as select 0 as hours",
        """create function jumping.clock_timestamp() returns timestamptz language sql volatile as
        $$ select pg_catalog.clock_timestamp() + make_interval(hours => hours) from jumping.hours $$""",
        "grant usage on schema jumping to public",
        "grant select on jumping.hours to public",
        "alter database lonja_wrong_clock set search_path = jumping, pg_catalog, public",
    ):
        await site.market.fetch(statement)


async def running(site: Site) -> multiprocessing.context.SpawnProcess:
    port = int(site.market.url.rpartition(":")[2])
    process = site.start(port)
    for _ in range(300):
        if await answers(port):
            return process
        await asyncio.sleep(0.1)
    raise AssertionError("the process does not answer")


async def ended(process: multiprocessing.context.SpawnProcess) -> int | None:
    await asyncio.to_thread(process.join, 60)
    return process.exitcode


async def test_a_process_with_a_wrong_clock_does_not_start_and_says_why(site: Site) -> None:
    site.when.write_text("13")
    assert await ended(site.start(free_port(site.config.home, "late"))) == 3
    said = site.said.read_text()
    assert "46800." in said and "ahead of the database's" in said and "NTP" in said
    for start in (run_web, run_worker, run_streams):
        with pytest.raises(WrongClock):
            await start(site.config, ["auctions"], clock=MachineClock(lambda: system_clock() - WRONG))  # type: ignore[operator]


@pytest.mark.parametrize("hours", ["13", "-13"])
async def test_a_clock_that_jumps_ends_no_auction_and_moves_none(site: Site, hours: str) -> None:
    process = await running(site)
    try:
        scene: Scene = await a_scene(site.market)
        before = (await scene.view())["closes_at"]
        assert (await scene.bid("a", "990")).status_code == 201
        site.when.write_text(hours)
        refused = await scene.bid("b", "980")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "clock" in refused.json()["detail"]
        stopped_at = time.monotonic()
        beaten = [row["beat_at"] for row in await site.market.fetch("select beat_at from auctions.pulse")]
        await asyncio.sleep(7)
        assert [row["beat_at"] for row in await site.market.fetch("select beat_at from auctions.pulse")] == beaten
        assert (await scene.bid("b", "980")).status_code == 503
        async with httpx.AsyncClient(base_url=site.market.url) as visitor:
            page = await visitor.get("/auctions", headers={"accept": "text/html", "accept-language": "es"})
            assert page.status_code == 503 and "El reloj de esta parte del mercado va mal" in page.text
        assert not await scene.events(AuctionClosed)
        site.when.unlink()

        async def accepted() -> bool:
            return (await scene.bid("b", "980")).status_code == 201

        await site.market.eventually(accepted)
        after = datetime.fromisoformat((await scene.view())["closes_at"])
        moved = (after - datetime.fromisoformat(before)).total_seconds()
        assert 5 < moved < time.monotonic() - stopped_at + 60, "the time that nobody could bid, and the policy's margin"
    finally:
        process.kill()
        await asyncio.to_thread(process.join, 20)


async def test_the_clock_of_the_whole_machine_jumps_and_auctions_keep_the_time_that_was_left(site: Site) -> None:
    """The time in between is an outage, because nobody could bid; no person is needed."""
    await let_the_database_jump_too(site)
    process = await running(site)
    try:
        scene: Scene = await a_scene(site.market)
        before = datetime.fromisoformat((await scene.view())["closes_at"])
        assert (await scene.bid("a", "990")).status_code == 201
        jumped_at = time.monotonic()
        site.when.write_text("13")
        await site.market.fetch("update jumping.hours set hours = 13")

        async def accepted() -> bool:
            answer = await scene.bid("b", "980")
            assert answer.status_code == 201, answer.text
            return True

        await site.market.eventually(accepted)
        assert not await scene.events(AuctionClosed)
        moved = datetime.fromisoformat((await scene.view())["closes_at"]) - before
        most = time.monotonic() - jumped_at + BEAT + 60
        assert WRONG < moved < WRONG + timedelta(seconds=most), (
            "no longer than that, and the policy's margin of a minute"
        )
        view = await scene.view()
        assert (view["bids"], view["price"]) == (2, "980.00")

        site.when.write_text("0")
        await site.market.fetch("update jumping.hours set hours = 0")

        async def accepted_again() -> bool:
            answer = await scene.bid("a", "970")
            assert answer.status_code == 201, answer.text
            return True

        await site.market.eventually(accepted_again)
        [row] = await site.market.fetch("select beat_at - pg_catalog.clock_timestamp() as ahead from auctions.pulse")
        assert row["ahead"] < timedelta(seconds=BEAT), "the beats of the right clock find a later outage"
    finally:
        process.kill()
        await asyncio.to_thread(process.join, 20)
