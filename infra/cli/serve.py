"""`lonja serve`: runs any subset of the services in this process, so that each can be scaled separately."""

import asyncio
import signal
from collections.abc import Awaitable
from enum import StrEnum
from typing import Annotated

import typer
import uvloop

from infra.config import Config
from infra.heartbeat import beat
from infra.tasks import background


class Half(StrEnum):
    web = "web"
    worker = "worker"


def serve(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Services; default: all.")] = None,
    only: Annotated[
        Half | None, typer.Option(help="web: HTTP routes; worker: relay, consumers and timers. Default: both.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port (default: LONJA_PORT, 8000).")] = None,
) -> None:
    """Run services until Ctrl-C or SIGTERM, on servers that already run."""
    from infra import logs, runtime

    config = Config.load()
    logs.configure(config.log_format)
    runtime.preload(names or ())
    works: list[Awaitable[None]] = []
    if only is not Half.worker:
        works.append(runtime.run_web(config, names or (), port))
    if only is not Half.web:
        works.append(runtime.run_worker(config, names or ()))
    uvloop.run(work(works, signals=only is Half.worker))


async def work(works: list[Awaitable[None]], *, signals: bool) -> None:
    """Run all of them, with heartbeats, until one ends or, with ``signals``, SIGINT or SIGTERM comes."""
    async with background(beat(), name="heartbeat"):
        await _run_until_signalled(works, signals=signals)


async def _run_until_signalled(works: list[Awaitable[None]], *, signals: bool) -> None:
    """Run all until one ends or a signal comes. The web server handles signals itself, so that open requests are
    completed."""
    tasks = [asyncio.ensure_future(work) for work in works]
    if signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, tasks[0].cancel)
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled():
            task.result()
