"""`lonja up`: everything on this machine, supervised, until Ctrl-C."""

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module

from catalogue import policy
from infra.cli import apart
from infra.cli.output import console, say, say_error
from infra.config import Config
from infra.embedded import HomeLock, addresses, check_restored, prepare_servers
from infra.embedded.jars import web_assets
from infra.embedded.ports import answers, free_port, is_free, remembered_port
from infra.embedded.process import PartFailed, ProcessPart, Ready, stop_leftover
from infra.supervisor import Supervisor

DEMO_POLICY = "demo"
"""A market with this policy is a demonstration: it is filled at its first start."""
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""glibc gives each thread an arena and does not return its largest size; so the number of arenas is limited."""
TOPICS_WITHIN = 60.0
"""Seconds for which the worker waits for its topics. Then it starts without them: timers do not need Kafka."""


class PortTaken(Exception):
    """The web port is not free."""

    code = "port-taken"

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use by another program: stop it, or set LONJA_PORT to a free port")


def up() -> None:
    """Start the servers and every service, and keep them running until Ctrl-C.

    The first start on a machine fetches jars and makes the data directories; later starts are quick.
    """
    began = time.monotonic()
    config = Config.load()
    policy.load(config.policy, config.policies)  # an unknown policy is refused before anything is made
    lock = HomeLock(config.home)
    try:
        check_restored(config.home)
        for part in application_parts(config):  # processes of a killed predecessor may still hold the port
            stop_leftover(config.home / "run" / f"{part.name}.pid", part)
        if not is_free(config.port, config.host):
            raise PortTaken(config.port)
        say(f"Lonja in {config.home}")
        config.remember()
        web_assets(config.home, config.cache, say)
        servers = prepare_servers(config, say)
        asyncio.run(_run(config, servers, began))
    finally:
        lock.release()
    say("stopped")


async def _run(config: Config, servers: tuple[ProcessPart, ...], began: float) -> None:
    supervisor = Supervisor(config.home, say)
    work = asyncio.create_task(_start_and_watch(config, servers, supervisor, began))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        say("stopping")
    finally:
        await supervisor.stop()


async def _start_and_watch(
    config: Config, servers: tuple[ProcessPart, ...], supervisor: Supervisor, began: float
) -> None:
    """The web process starts first, when the database is ready; then the others.

    Raise PartFailed if the database does not start; any other process that fails is retried, and the others continue.
    """
    own_mailbox = config.smtp_url is None
    if own_mailbox:
        free_port(config.home, "mailbox")
        free_port(config.home, "mailbox-smtp")
        config = replace(config, smtp_url=f"smtp://127.0.0.1:{remembered_port(config.home, 'mailbox-smtp')}")
        servers = (*servers, mailbox_part(config))
    url, bootstrap = addresses(config)
    config = replace(config, database_url=url)
    web, *behind = application_parts(config)
    others = asyncio.create_task(_start(supervisor, [part for part in servers if part.name != "postgres"]))
    await supervisor.start([part for part in servers if part.name == "postgres"])
    await _bring_tables_up_to_date(config)
    failed = await _start(supervisor, [web]) + await others
    topics = asyncio.create_task(_bring_topics_up_to_date(bootstrap))
    await asyncio.wait({topics}, timeout=TOPICS_WITHIN)
    failed += await _start(supervisor, behind)
    if config.policy == DEMO_POLICY:
        await _fill(config)
    _say_where(config, own_mailbox, began)
    for name in failed:
        say_error(f"{name} has not started yet; it is tried again and again")
    await topics
    await asyncio.Event().wait()


async def _start(supervisor: Supervisor, parts: Sequence[ProcessPart]) -> list[str]:
    """Start the parts, and print for each that failed why. Return the names of those that failed."""
    failed = []
    for part, start in [(part, asyncio.create_task(supervisor.start([part]))) for part in parts]:
        try:
            await start
        except PartFailed as failure:
            say_error(str(failure))
            failed.append(part.name)
    return failed


async def _bring_tables_up_to_date(config: Config) -> None:
    from infra import migrations
    from infra.answering import check_database

    assert config.database_url is not None
    await check_database(config.database_url)
    if await migrations.pending(config.database_url):
        say("bringing the tables up to date")
        await apart.run("tables", config)
    if newer := await migrations.ahead(config.database_url):
        say(migrations.AHEAD.format(", ".join(newer)))


async def _bring_topics_up_to_date(bootstrap: str) -> None:
    from aiokafka.errors import KafkaError

    from infra.topics import create_topics

    while True:
        try:
            return await create_topics(bootstrap)
        except KafkaError as error:
            say_error(f"the topics wait for Kafka: {error}")
            await asyncio.sleep(5)


def _say_where(config: Config, own_mailbox: bool, began: float) -> None:
    console.rule(f"Lonja is ready after {time.monotonic() - began:.1f} s")
    say(f"the market  {config.public_url}")
    if own_mailbox:
        say(f"its mail    http://127.0.0.1:{remembered_port(config.home, 'mailbox')}")
    if config.policy == DEMO_POLICY:
        say("")
        import_module(apart.DEMONSTRATION).show_logins(config)
    else:
        say(
            f"the rules   {config.policy}; `lonja demo` fills an empty market with a demonstration and shows its logins"
        )
    console.rule("Ctrl-C stops all")


async def _fill(config: Config) -> None:
    """A market that cannot be filled still runs."""
    try:
        await apart.run("demonstration", config)
    except apart.NotDone as failure:
        say_error(f"{failure}; `lonja demo` tries again")


def application_parts(config: Config) -> tuple[ProcessPart, ...]:
    """The processes of Lonja itself. `config` names its servers, so that the children need not find them."""

    async def web_answers() -> bool:
        return await answers(config.port, config.local_host)

    def part(name: str, *arguments: str, ready: Ready | None = None, port: int | None = None) -> ProcessPart:
        return ProcessPart(
            name=name,
            command=(sys.executable, "-m", "infra.cli", *arguments),
            environment=config.environment() | FEW_ARENAS,
            ready=ready,
            beats=True,
            port=port,
            silent_for=config.silence_limit,
        )

    return (
        part("web", "serve", "--only", "web", ready=web_answers, port=config.port),
        part("worker", "serve", "--only", "worker"),
        part("streams", "streams"),
    )


def mailbox_part(config: Config) -> ProcessPart:

    port = remembered_port(config.home, "mailbox-smtp")

    async def ready() -> bool:
        return await answers(port)

    return ProcessPart(
        name="mailbox",
        command=(sys.executable, "-m", "infra.mailbox"),
        environment=config.environment(),
        ready=ready,
        beats=True,
        port=port,
        silent_for=config.silence_limit,
    )
