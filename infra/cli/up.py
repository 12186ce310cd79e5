"""`lonja up`: everything on this machine, supervised, until Ctrl-C."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from infra.cli import demo
from infra.cli.output import console, say, say_error
from infra.config import Config
from infra.embedded import HomeLock, prepare_servers
from infra.embedded.jars import web_assets
from infra.embedded.ports import answers, free_port, is_free, remembered_port
from infra.embedded.process import Part, stop_leftover
from infra.running import NotRunning
from infra.supervisor import Supervisor

DEMO_POLICY = "demo"
"""The market that runs by this policy is a demonstration: it is filled at its first start."""


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
    lock = HomeLock(config.home)
    try:
        for part in application_parts(config):  # of a killed predecessor, which may still hold the port
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


async def _run(config: Config, servers: tuple[Part, ...], began: float) -> None:
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


async def _start_and_watch(config: Config, servers: tuple[Part, ...], supervisor: Supervisor, began: float) -> None:
    from infra import mailbox, runtime

    if config.smtp_url is None:
        free_port(config.home, "mailbox")
        free_port(config.home, "mailbox-smtp")
        config = replace(config, smtp_url=mailbox.smtp_url(config.home))
        servers = (*servers, mailbox_part(config))
    await supervisor.start(servers)
    url, bootstrap = runtime.addresses(config)
    config = replace(config, database_url=url, kafka_bootstrap=bootstrap)
    say("bringing tables and topics up to date")
    await runtime.prepare(config)
    await supervisor.start(application_parts(config))
    if config.policy == DEMO_POLICY:
        await _fill(config)
    console.rule(f"Lonja is ready after {time.monotonic() - began:.1f} s")
    say(f"the market  {config.public_url}")
    if config.smtp_url == mailbox.smtp_url(config.home):
        say(f"its mail    {mailbox.page_url(config.home)}")
    if config.policy == DEMO_POLICY:
        say("")
        demo.show_logins(config)
    else:
        say(
            f"the rules   {config.policy}; `lonja demo` fills an empty market with a demonstration and shows its logins"
        )
    console.rule("Ctrl-C stops all")
    await supervisor.watch()


async def _fill(config: Config) -> None:
    """A market that cannot be filled still runs."""
    from infra.demo.client import CallRefused, NotAnswered

    try:
        await demo.fill(config, say)
    except (CallRefused, NotAnswered, NotRunning) as failure:
        say_error(f"the demonstration could not be filled: {failure}; `lonja demo` tries again")


def application_parts(config: Config) -> tuple[Part, ...]:
    """The processes of Lonja itself. `config` names its servers, so that the children need not find them."""

    async def web_answers() -> bool:
        return await answers(config.port, config.local_host)

    async def at_once() -> bool:
        return True

    def part(name: str, *arguments: str, ready: Callable[[], Awaitable[bool]], port: int | None = None) -> Part:
        command = (sys.executable, "-m", "infra.cli", *arguments)
        return Part(name=name, command=command, environment=config.environment(), ready=ready, port=port)

    return (
        part("web", "serve", "--only", "web", ready=web_answers, port=config.port),
        part("worker", "serve", "--only", "worker", ready=at_once),
        part("streams", "streams", ready=at_once),
    )


def mailbox_part(config: Config) -> Part:

    port = remembered_port(config.home, "mailbox-smtp")

    async def ready() -> bool:
        return await answers(port)

    return Part(
        name="mailbox",
        command=(sys.executable, "-m", "infra.mailbox"),
        environment=config.environment(),
        ready=ready,
        port=port,
    )
