"""The real Faust views on the real broker, in two workers under load: one leaves, one joins, one is killed, and the
result is right."""

import asyncio
import os
import signal
import sys
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import GroupCoordinatorNotAvailableError

from events import Event
from events.auctions import BidDisclosed
from events.catalogue import OfferPublished
from events.contracts import AwardMade, ContractConcluded
from events.values import Category, Place
from infra import runtime, streams
from infra.broker import access
from infra.config import Config
from infra.embedded import Servers
from infra.embedded.process import tail
from infra.ids import new_id
from infra.outbox import Relay
from infra.producer import Producer
from infra.service import Resources, Service, View
from recommender.interest import co_purchase, interest
from services.observatory import intake
from services.observatory.domain import entry
from services.recommender.store.market import code_of
from tests.market import empty_database
from tests.services.observatory.builders import a_bid, a_contract, a_line, an_offer, at

BATCH, PAUSE = 60, 0.2
"""Events per transaction of the load, and the seconds between transactions: about 300 events per second."""
PAPER, CHAIRS = Category(code="30197630", title="Paper"), Category(code="39112000", title="Chairs")

Figures = dict[tuple[str, ...], tuple[Any, ...]]


@pytest.fixture
async def resources(servers: Servers, topics: None) -> AsyncIterator[Resources]:
    url = await empty_database(servers, "lonja_views")
    config = Config.load(
        {"LONJA_HOME": str(servers.home), "LONJA_DATABASE_URL": url, "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap}
    )
    await runtime.prepare(config)
    async with runtime.standing(config) as resources:
        yield resources


@dataclass
class Trade:
    """A load with few items and suppliers, so that both workers need the same rows. ``told`` has all published
    events."""

    random: Random = field(default_factory=lambda: Random(7))
    items: tuple[str, ...] = field(default_factory=lambda: tuple(new_id() for _ in range(6)))
    suppliers: tuple[str, ...] = field(default_factory=lambda: tuple(new_id() for _ in range(4)))
    told: list[Event] = field(default_factory=list)

    def event(self) -> Event:
        """A contract of one to three items, an award, a disclosed bid or an offer."""
        choose = self.random
        item, supplier = choose.choice(self.items), choose.choice(self.suppliers)
        category, price = choose.choice((PAPER, CHAIRS)), str(choose.randint(100, 999))
        day = date(2025, choose.randint(1, 3), choose.randint(1, 28))
        match choose.randrange(4):
            case 0:
                bought = choose.sample(self.items, choose.randint(1, 3))
                lines = tuple(a_line(one, price, line_id=str(number)) for number, one in enumerate(bought))
                return a_contract(item, None, day, lines=lines, supplier_id=supplier)
            case 1:
                return an_award(item, price, at(day), supplier, category)
            case 2:
                return a_bid(item, price, day, supplier_id=supplier, category=category)
            case _:
                return an_offer(item, price, day, supplier_id=supplier, category=category)

    def rolling(self) -> Figures:
        groups: dict[tuple[str, ...], list[tuple[date, str, Decimal]]] = defaultdict(list)
        for event in self.told:
            match event:
                case ContractConcluded():
                    seen = intake.of_contract(event)
                case AwardMade():
                    seen = intake.of_award(event)
                case BidDisclosed():
                    seen = intake.of_bid(event, event.bid_at or at(date.min))
                case _:
                    continue
            for made in filter(None, map(entry, seen.observations)):
                key = (made.item_key, str(seen.origin), made.month, made.currency, made.unit)
                groups[key].append((made.date, made.observation_id, made.price))
        return {
            key: (
                len(group),
                min(p for *_, p in group),
                max(p for *_, p in group),
                sum(p for *_, p in group),
                max(group)[2],
            )
            for key, group in groups.items()
        }

    def interest(self) -> Figures:
        points: dict[tuple[str, ...], int] = defaultdict(int)
        for event in self.told:
            match event:
                case BidDisclosed(category=Category()):
                    acts = [(event.supplier_id, "bid", event.category)]
                case OfferPublished():
                    acts = [(event.supplier_id, "offered", event.category)]
                case AwardMade(category=Category()):
                    acts = [(supplier, "won", event.category) for supplier in event.supplier_ids]
                case _:
                    continue
            for supplier, act, category in acts:
                for level, weight in interest(act, code_of(category)).items():
                    points[supplier, level] += weight
        return {key: (total,) for key, total in points.items()}

    def together(self) -> Figures:
        counts: dict[tuple[str, ...], int] = defaultdict(int)
        for event in self.told:
            if isinstance(event, ContractConcluded):
                for one, others in co_purchase(line.sku_id or "" for line in event.lines).items():
                    for other, count in others.items():
                        counts[one, other] += count
        return {key: (count,) for key, count in counts.items()}


def an_award(item: str, price: str, on: datetime, supplier: str, category: Category) -> AwardMade:
    return AwardMade(
        process_id=new_id(),
        award_id=new_id(),
        origin="import",
        buyer_id="school",
        buyer_name="School 7",
        supplier_ids=(supplier,),
        supplier_names=("",),
        title="An award",
        category=category,
        method="open",
        place=Place(country="BR"),
        currency="BRL",
        amount=None,
        lines=(a_line(item, price),),
        awarded_at=on,
    )


async def views(resources: Resources, trade: Trade) -> Mapping[str, Figures]:
    """The rows about this trade only, because the topics also have events of other tests."""

    async def rows(keys: int, query: str, names: Sequence[str]) -> Figures:
        found = await resources.database.pool.fetch(query, list(names))
        return {tuple(row)[:keys]: tuple(row)[keys:] for row in found}

    return {
        "rolling": await rows(
            5,
            "select item_key, series, month, currency, unit, count, low, high, total, last"
            " from observatory.rolling where item_key = any($1)",
            trade.items,
        ),
        "interest": await rows(
            2,
            "select supplier_id, category, points from recommender.interest where supplier_id = any($1)",
            trade.suppliers,
        ),
        "together": await rows(
            2, "select sku_id, other_sku_id, together from recommender.co_purchases where sku_id = any($1)", trade.items
        ),
    }


class Workers:
    """Processes as ``lonja up`` has them: each runs the views of all services, and is started again after a crash."""

    def __init__(self, resources: Resources, logs: Path) -> None:
        self._environment = {**os.environ, **resources.config.environment()}
        self._logs = logs
        self._all: list[asyncio.subprocess.Process] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def join(self) -> "Worker":
        worker = Worker(self)
        await worker.start()
        self._keepers.append(asyncio.create_task(worker.keep()))
        return worker

    async def start(self) -> tuple[asyncio.subprocess.Process, Path]:
        log = self._logs / f"worker-{len(self._all) + 1}.log"
        command = (sys.executable, "-m", "infra.cli", "streams")
        with log.open("w") as out:
            process = await asyncio.create_subprocess_exec(*command, env=self._environment, stdout=out, stderr=out)
        self._all.append(process)
        return process, log

    def told(self) -> str:
        """The last output of each, to find out what went wrong."""
        codes = [f"worker {number}: {process.returncode}" for number, process in enumerate(self._all, 1)]
        return "\n".join([*codes, *(f"--- {log.name}\n{tail(log)}" for log in sorted(self._logs.glob("worker-*.log")))])

    async def end(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        for process in self._all:
            if process.returncode is None:
                process.kill()
            await process.wait()


class Worker:
    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._wanted = True

    async def start(self) -> None:
        self.process, self.log = await self._workers.start()

    async def keep(self) -> None:
        while await self.process.wait() and self._wanted:
            warnings.warn(f"a worker crashed and was started again:\n{tail(self.log)}", stacklevel=1)
            await self.start()

    async def leave(self) -> None:
        self._wanted = False
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), 15) == 0

    def die(self) -> None:
        self._wanted = False
        self.process.kill()


GROUPS = ("lonja.views.observatory.rolling", "lonja.views.recommender.interest", "lonja.views.recommender.co-purchases")


async def shared_by(bootstrap: str, number: int, workers: Workers, group: str = GROUPS[0]) -> None:
    """Wait until exactly this number of workers share the partitions of a view."""
    wanted = [("Stable", number)] if number else [("Empty", 0), ("Dead", 0)]
    admin = AIOKafkaAdminClient(**access(bootstrap))
    await admin.start()
    seen: list[tuple[str, int]] = []
    try:
        async with asyncio.timeout(120):
            while not seen or seen[-1] not in wanted:
                with suppress(GroupCoordinatorNotAvailableError):  # no group exists yet
                    (answer,) = await admin.describe_consumer_groups([group])
                    _, _, state, _, _, members, *_ = answer.groups[0]
                    if seen[-1:] != [(state, len(members))]:
                        seen.append((state, len(members)))
                await asyncio.sleep(0.2)
    except TimeoutError as never:
        raise AssertionError(f"{group} is never shared by {number}: {seen}\n{workers.told()}") from never
    finally:
        await admin.close()


@asynccontextmanager
async def load(resources: Resources, trade: Trade) -> AsyncIterator[None]:
    """Publish events continuously for the time of the block."""

    async def publish() -> None:
        while True:
            events = [trade.event() for _ in range(BATCH)]
            async with resources.database.transaction("transparency") as tx:
                for event in events:
                    tx.emit(event)
            trade.told += events
            await asyncio.sleep(PAUSE)
            if enough.is_set():
                return

    enough = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish())
        yield
        enough.set()


async def test_views_survive_workers_that_leave_and_die(resources: Resources, servers: Servers, tmp_path: Path) -> None:
    trade, workers, bootstrap = Trade(), Workers(resources, tmp_path), servers.kafka_bootstrap
    kafka = Producer(bootstrap)
    await kafka.start()
    relay = asyncio.create_task(Relay("transparency", resources.config.database_url or "", kafka).run())
    try:
        first, second = await workers.join(), await workers.join()
        async with load(resources, trade):
            await shared_by(bootstrap, 2, workers)
            await asyncio.sleep(1)
            await first.leave()
            await workers.join()
            await shared_by(bootstrap, 2, workers)
            await asyncio.sleep(1)
            second.die()
            await shared_by(bootstrap, 1, workers)
        expected = {"rolling": trade.rolling(), "interest": trade.interest(), "together": trade.together()}
        try:
            async with asyncio.timeout(120):
                while await views(resources, trade) != expected:
                    await asyncio.sleep(0.3)
        except TimeoutError:
            assert await views(resources, trade) == expected
        async for _, replayed in runtime.rebuild(
            resources.config, [f"recommender.{name}" for name in ("interest", "co-purchases")]
        ):
            assert replayed
        assert await views(resources, trade) == expected
    finally:
        relay.cancel()
        await workers.end()
        await kafka.stop()


def a_view(resources: Resources, name: str) -> tuple[Service, View]:
    return next((service, view) for service in runtime.load(resources) for view in service.views if view.name == name)


async def test_a_view_that_its_group_does_not_take_says_why_and_the_others_go_on(
    resources: Resources, servers: Servers, tmp_path: Path
) -> None:
    workers, bootstrap = Workers(resources, tmp_path), servers.kafka_bootstrap
    for group in GROUPS:
        await shared_by(bootstrap, 0, workers, group)
    refused, *others = GROUPS
    # An assignor with another name: the broker then refuses members that do not support it.
    async with AIOKafkaConsumer(
        "lonja.auctions",
        **access(bootstrap),
        group_id=refused,
        partition_assignment_strategy=[RangePartitionAssignor],
    ):
        worker, log = await workers.start()
        try:
            for group in others:
                await shared_by(bootstrap, 1, workers, group)
            async with asyncio.timeout(30):
                while "InconsistentGroupProtocolError" not in log.read_text():
                    await asyncio.sleep(0.1)
            assert worker.returncode is None
        except BaseException:
            await workers.end()
            raise
    try:
        await shared_by(bootstrap, 1, workers, refused)
    finally:
        await workers.end()


async def test_a_reader_that_does_not_finish_a_rebalance_ends(
    resources: Resources, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, workers = servers.kafka_bootstrap, Workers(resources, tmp_path)
    await shared_by(bootstrap, 0, workers, "lonja.views.recommender.interest")
    async with AIOKafkaProducer(**access(bootstrap)) as kafka:
        app = streams.create_app(resources, bootstrap, kafka, *a_view(resources, "recommender.interest"))
        try:
            await app.start()
            await shared_by(bootstrap, 1, workers, app.conf.id)
            while app.rebalancing:
                await asyncio.sleep(0.1)
            monkeypatch.setattr(streams, "STUCK_SECONDS", 1.0)
            app.on_rebalance_start()  # one transaction begins, and nothing follows
            await asyncio.wait_for(app.wait_until_stopped(), 30)
        finally:
            await streams._end(app)
        assert isinstance(app.crash_reason, streams.Stuck)


async def test_a_reader_that_fails_in_the_middle_of_a_rebalance_ends(
    resources: Resources, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap, workers, in_the_middle = servers.kafka_bootstrap, Workers(resources, tmp_path), asyncio.Event()

    async def never_comes_through(*_: object) -> None:
        in_the_middle.set()
        await asyncio.Event().wait()

    await shared_by(bootstrap, 0, workers, "lonja.views.recommender.interest")
    async with AIOKafkaProducer(**access(bootstrap)) as kafka:
        app = streams.create_app(resources, bootstrap, kafka, *a_view(resources, "recommender.interest"))
        await app.start()
        await shared_by(bootstrap, 1, workers, app.conf.id)
        monkeypatch.setattr(streams.Offsets, "on_partitions_revoked", never_comes_through)
        async with AIOKafkaConsumer(
            "lonja.auctions",
            **access(bootstrap),
            group_id=app.conf.id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
        ):
            await asyncio.wait_for(in_the_middle.wait(), 30)
            await app.crash(ValueError("it fails"))
            await streams._end(app)
            await shared_by(bootstrap, 1, workers, app.conf.id)  # the other one
