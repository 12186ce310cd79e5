"""Runs services in a process: the web process serves routes, the worker runs relays, consumers and timers."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from catalogue import policy
from events.topics import FORMER, by_bulk, read_by
from infra import metrics, migrations, pruning, resuming, roles, telemetry
from infra.answering import check_kafka
from infra.away import there
from infra.beginning import begin_after_forgotten, begin_where_former_stood
from infra.clock import Clock
from infra.config import Config
from infra.consumer import Consumer, group_of
from infra.database import Database
from infra.embedded import addresses
from infra.garbage import leave_what_stays
from infra.health import HEALTH, PartState
from infra.inbox import Inbox
from infra.live import Live
from infra.machine_clock import MachineClock
from infra.operations import processes
from infra.outbox import Relay
from infra.outgoing import OF_A_CONSEQUENCE
from infra.parts import supervise
from infra.producer import Producer
from infra.secrets import secret
from infra.service import Resources, Service, Timer
from infra.signing import Signer
from infra.tasks import background, stop_if_cancelled
from infra.tokens import Tokens
from infra.topics import create_topics
from infra.turns import ConsumerTurns

if TYPE_CHECKING:
    from litestar.types import ASGIApp

log = logging.getLogger(__name__)


class UnknownName(Exception):
    """A named service or view does not exist."""

    code = "unknown-name"


def _check_names(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UnknownName(f"no {what} {', '.join(unknown)}; there are {', '.join(known)}")


def check_services(names: Sequence[str]) -> None:
    """Raise :class:`UnknownName`."""
    _check_names("service", names, import_module("services").NAMES)


def preload(names: Sequence[str] = ()) -> None:
    """Import the named services (default: all) before the event loop starts, because it takes seconds without a
    heartbeat.

    Raise :class:`UnknownName`.
    """
    check_services(names)
    for name in names or import_module("services").NAMES:
        import_module(f"services.{name}.service")


def load(resources: Resources, names: Sequence[str] = ()) -> list[Service]:
    """Create the named services (default: all). Raise :class:`UnknownName`."""
    check_services(names)
    known = import_module("services").NAMES
    return [
        import_module(f"services.{name}.service").create(replace(resources, database=resources.database.of(name)))
        for name in known
        if not names or name in names
    ]


@asynccontextmanager
async def standing(config: Config, clock: Clock | None = None, *, patient: bool = False) -> AsyncIterator[Resources]:
    """The resources for the time of a block. ``clock`` is the machine's unless given; the machine's clock is checked
    continuously.

    Raise NotRunning, unless ``patient`` is true: then it waits for PostgreSQL. Raise WrongClock if the machine's time
    differs from the database's."""
    policy.keep_own_in(config.policies)
    url, _ = addresses(config)
    clock = clock or MachineClock()
    connect = partial(Database.connect, url, clock, secret=secret(config.secrets_dir, "requests").encode())
    database = await (there("PostgreSQL", connect) if patient else connect())
    try:
        async with AsyncExitStack() as stack:
            if isinstance(clock, MachineClock):
                await clock.check_at_start(database.pool)
                await stack.enter_async_context(background(clock.keep_checking(database.pool), name="clock"))
            yield Resources(
                config, database, clock, Live(url), Tokens.load(config.secrets_dir), Signer.load(config.secrets_dir)
            )
    finally:
        await database.close()


async def prepare(config: Config) -> None:
    """Apply the migrations of every service and create every topic of the table. A repeat changes nothing. Raise
    NotRunning."""
    await migrate(config)
    bootstrap = addresses(config)[1]
    await check_kafka(bootstrap)
    await create_topics(bootstrap)


async def migrate(config: Config) -> None:
    async with standing(config) as resources:
        kept = {each.name: each.metadata for each in load(resources) if each.metadata is not None}
        for name, metadata in kept.items():
            await migrations.upgrade(resources.database.engine, name, metadata)
        await migrations.upgrade(resources.database.engine, "operations", processes.METADATA)
        async with resources.database.pool.acquire() as connection:
            await roles.grant(connection, list(kept))


async def run_web(
    config: Config, names: Sequence[str] = (), port: int | None = None, clock: Clock | None = None
) -> None:
    """Serve the routes until cancelled or until a signal comes."""
    # modules that only one kind of process needs are imported here, so that the others start sooner and are smaller
    from infra.web import create_app

    telemetry.start("web")
    port = port or config.port
    async with standing(config, clock) as resources:
        services = load(resources, names)
        await _tables_of_this_release(config, services)
        async with processes.reporting(resources.database, "web", port):
            await serve(create_app(resources, services, config.home / "static", port), resources, port)


async def serve(app: "ASGIApp", resources: Resources, port: int) -> None:
    """Serve the app until cancelled or until a signal comes; open requests are completed, live streams end at once."""
    from infra.web.server import server

    web = server(app, resources.config, resources.live.end, port=port)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, web.handle_exit, number, None)
    leave_what_stays()
    await web.serve()


async def run_worker(config: Config, names: Sequence[str] = (), clock: Clock | None = None) -> None:
    """Run relays, consumers and timers until cancelled, each separately. All wait for PostgreSQL; the timers do not
    need Kafka."""
    from infra.web.operations import observed

    telemetry.start("worker")
    bootstrap = addresses(config, "worker")[1]
    turns = ConsumerTurns()
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(standing(config, clock, patient=True))
        services = load(resources, names)
        await _tables_of_this_release(config, services)
        reads = {
            group_of(service.name, bulk=bulk): topics
            for service in services
            for bulk, topics in by_bulk(service.reactions.topics)
        }
        await stack.enter_async_context(observed(resources, bootstrap, "worker", reads))
        kafka = Producer(bootstrap)
        stack.push_async_callback(kafka.stop)
        leave_what_stays()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def begin(kind: str, name: str, run: Callable[[], Awaitable[None]]) -> None:
            resumed = partial(resuming.asked, resources.database.pool, lambda: [f"{kind} {name}"])
            tasks.create_task(supervise(kind, name, run, resumed), name=f"{name} {kind}")

        def begin_on_kafka(kind: str, name: str, run: Callable[[], Awaitable[None]]) -> None:
            async def run_when_it_is_there() -> None:
                if not kafka.started:
                    HEALTH.report(kind, name, PartState.waiting, "Kafka is away")
                await kafka.wait_until_started()
                await run()

            begin(kind, name, run_when_it_is_there)

        for service in services:
            for timer in (*service.timers, *_pruning(service, config)):
                begin("timer", f"{service.name} {timer.name}", partial(keep, timer, service.name, resources.database))
            if service.metadata is not None:
                relay = Relay(service.name, resources.database.of(service.name).url, kafka)
                begin_on_kafka("relay", service.name, relay.run)
            if service.reactions:
                inbox = Inbox(service.name, service.reactions, resources.database, kafka)
                for bulk, topics in by_bulk(service.reactions.topics):
                    consumer = Consumer(inbox, topics, bootstrap, turns=turns, bulk=bulk)
                    begin_on_kafka(
                        "consumer", consumer.name, partial(_consume, resources, bootstrap, service, consumer)
                    )


async def run_streams(config: Config, names: Sequence[str] = (), clock: Clock | None = None) -> None:
    """Run the Faust views until cancelled, each separately."""
    from infra import streams
    from infra.web.operations import observed

    telemetry.start("streams")
    bootstrap = addresses(config, "streams")[1]
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(standing(config, clock, patient=True))
        services = load(resources, names)
        await _tables_of_this_release(config, services)
        reads = {streams.group_of(view): view.reactions.topics for service in services for view in service.views}
        await stack.enter_async_context(observed(resources, bootstrap, "streams", reads))
        kafka = await stack.enter_async_context(_producing(bootstrap))
        leave_what_stays()
        await streams.keep(resources, bootstrap, kafka, services)


async def rebuild(config: Config, names: Sequence[str] = ()) -> AsyncIterator[tuple[str, int]]:
    """Rebuild the named views (default: all) by replay; yields (view, number of replayed messages). Raise
    :class:`UnknownName` and NotRunning."""
    from infra import streams

    bootstrap = addresses(config)[1]
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(standing(config))
        await check_kafka(bootstrap)
        kafka = await stack.enter_async_context(_producing(bootstrap))
        views = {view.name: (service, view) for service in load(resources) for view in service.views}
        _check_names("view", names, views)
        for name, (service, view) in views.items():
            if not names or name in names:
                yield name, await streams.rebuild(resources, bootstrap, kafka, service, view)


async def _tables_of_this_release(config: Config, services: Sequence[Service]) -> None:
    """Wait until the tables are migrated to this release."""
    names = {"operations", *(service.name for service in services if service.metadata is not None)}
    await there("the tables of this release", partial(migrations.require, addresses(config)[0], names))


SUCCESSOR_WAIT = 30
"""Seconds that a service waits for the tables of one successor."""


async def _consume(resources: Resources, bootstrap: str, service: Service, consumer: Consumer) -> None:
    """Run the consumer. Services that took over work of this one set their first offsets before this one commits further
    ones, because another process, which starts later, may serve them."""
    if consumer.group == group_of(service.name):
        successors = [name for name, former in FORMER.items() if former == service.name]
        await asyncio.gather(*(_begin_successor(resources, bootstrap, name, service.name) for name in successors))
    await _begin(resources, bootstrap, service.name, consumer.group, consumer.topics)
    await consumer.run()


async def _begin_successor(resources: Resources, bootstrap: str, name: str, former: str) -> None:
    """Set the first offsets of a service that took over work of ``former``. If its tables do not answer within
    ``SUCCESSOR_WAIT``, for example because they are locked, it begins at the present offsets of ``former``: the successor handles
    the events after them, and only Kafka is needed to set them."""
    group = group_of(name)
    try:
        async with asyncio.timeout(SUCCESSOR_WAIT):
            await _begin(resources, bootstrap, name, group)
    except TimeoutError:
        log.warning(
            "the tables of %s did not answer within %d s: it begins where %s stands now", name, SUCCESSOR_WAIT, former
        )
        begin = partial(begin_where_former_stood, bootstrap, group, group_of(former), read_by(name))
        await there(f"Kafka, for the first offsets of {name}", begin)


async def _begin(
    resources: Resources, bootstrap: str, service: str, group: str, topics: Container[str] | None = None
) -> None:
    former = FORMER.get(service)
    stands = group_of(former) if former else ""
    await begin_after_forgotten(resources.database, [service], bootstrap, group, topics, former=stands)


def _pruning(service: Service, config: Config) -> list[Timer]:
    return [pruning.timer(service, config.keep)] if service.metadata is not None else []


async def keep(timer: Timer, service: str, database: Database) -> None:
    """Run a timer's action again and again until it fails: what is due stays due in the database."""
    metrics.LATENESS.next_run(service, timer.name, 0)
    while True:
        with _overlong_told_of(timer, service):
            async with database.transaction(service, limits=OF_A_CONSEQUENCE) as tx:
                done = await timer.action(tx)
        stop_if_cancelled()
        HEALTH.report("timer", f"{service} {timer.name}", PartState.running)
        metrics.LATENESS.next_run(service, timer.name, timer.rest if done else timer.every)
        await asyncio.sleep(timer.rest if done else timer.every)


@contextmanager
def _overlong_told_of(timer: Timer, service: str) -> Iterator[None]:
    """Report in health while a run lasts too long, because a run that hangs does not fail."""
    late = asyncio.get_running_loop().call_later(
        timer.longest,
        HEALTH.report,
        "timer",
        f"{service} {timer.name}",
        PartState.degraded,
        f"its run has not ended after {timer.longest:.0f} s",
        "see in pg_stat_activity and in the log of this process what it waits for; if it does not end, start the process again",
    )
    try:
        yield
    finally:
        late.cancel()


@asynccontextmanager
async def _producing(bootstrap: str) -> AsyncIterator[Producer]:
    """A producer for the time of a block. Waits for Kafka."""
    kafka = Producer(bootstrap)
    await there("Kafka", kafka.start)
    try:
        yield kafka
    finally:
        await kafka.stop()
