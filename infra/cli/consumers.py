"""`lonja consumers`: the states of consumers and views, and how a stopped one continues."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.output import AsJson, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    from infra.operations.processes import RunningProcess

TABLE = "operations.processes"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Consumers and views of the running market: list them, resume a stopped one.",
)


class NoSuchConsumer(LookupError):
    """No consumer or view has that name."""

    code = "no-such-consumer"


class NotStopped(LookupError):
    """No consumer or view of that name is stopped."""

    code = "consumer-not-stopped"


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every consumer and view, with its state."""
    from infra import resuming

    found = resuming.states(asyncio.run(_processes()))
    if as_json:
        print_json([dict(zip(("kind", "name", "state", "detail"), each, strict=True)) for each in found])
    else:
        print_table(("kind", "name", "state", "detail"), found)


@app.command()
def resume(
    name: Annotated[str, typer.Argument(help="The name that `list` shows. First correct what stopped it.")],
) -> None:
    """Let a consumer or view continue that stopped after too many failures in a row. It begins after the events that
    became dead letters."""
    asyncio.run(_resume(name))
    say(f"{name} continues within seconds; see `lonja consumers list`")


async def _processes() -> "list[RunningProcess]":
    from infra.cli.market import market_connection
    from infra.operations import processes

    async with market_connection(Config.running(), TABLE) as connection:
        return await processes.read(connection)


async def _resume(name: str) -> None:
    from infra import resuming
    from infra.cli.market import market_connection
    from infra.health import PartState
    from infra.operations import processes

    async with market_connection(Config.running(), TABLE) as connection:
        there = resuming.states(await processes.read(connection))
        names = sorted({each for _, each, _, _ in there})
        if name not in names:
            raise NoSuchConsumer(f"there is no consumer or view {name}; there are: {', '.join(names) or 'none'}")
        stopped = {f"{kind} {each}": each for kind, each, state, _ in there if state is PartState.stopped}
        parts = [part for part, each in stopped.items() if each == name]
        if not parts:
            raise NotStopped(f"{name} is not stopped; stopped: {', '.join(stopped.values()) or 'none'}")
        await resuming.ask(connection, parts)
