"""`lonja outbox`: events that a relay could not send and set aside, and their second chance."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from infra.cli.output import AsJson, print_facts, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    import asyncpg

    from infra.set_aside import SetAside

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Events that could not be sent and were set aside: list, show, resend.",
)
Name = Annotated[str, typer.Argument(help="SERVICE/POSITION, as `lonja outbox list` shows it.")]


T = TypeVar("T")


class NoSuchRow(LookupError):
    """Nothing of that name is set aside."""

    code = "no-such-outbox-row"


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Events that were set aside, by service, oldest first."""
    rows = _rows()
    if as_json:
        print_json([msgspec.to_builtins(row) for row in rows])
    elif rows:
        print_table(
            ("row", "type", "subject", "bytes", "reason"),
            ((_name(row), row.type, row.subject, row.size, row.reason) for row in rows),
        )
    else:
        say("nothing is set aside")


@app.command()
def show(row: Name, as_json: AsJson = False) -> None:
    """One event that was set aside: its facts, and its data."""
    found = _one(row)
    facts = msgspec.to_builtins(found) | {"data": _data(found).decode(errors="replace")}
    print_facts(facts, as_json)


@app.command()
def resend(
    row: Annotated[str, typer.Argument(help="SERVICE/POSITION; without it, all.")] = "",
) -> None:
    """Let the relay send events again that were set aside, once the reason is mended."""
    rows = [_one(row)] if row else _rows()
    if not rows:
        say("no event is set aside: there is nothing to send again")
        return
    _resend(rows)
    events = "1 event is" if len(rows) == 1 else f"{len(rows)} events are"
    say(f"{events} sent again now; if Kafka refuses one once more, `lonja outbox list` shows it with the reason")


def _name(row: "SetAside") -> str:
    return f"{row.service}/{row.position}"


def _in_the_market(work: "Callable[[asyncpg.Connection], Awaitable[T]]") -> T:
    from infra.cli.market import market_connection

    async def run() -> T:
        async with market_connection(Config.running(), "accounts.outbox") as connection:
            return await work(connection)

    return asyncio.run(run())


def _rows() -> "list[SetAside]":
    from infra import set_aside

    return _in_the_market(set_aside.rows)


def _one(name: str) -> "SetAside":
    found = next((row for row in _rows() if _name(row) == name), None)
    if found is None:
        raise NoSuchRow(f"nothing is set aside as {name}; see `lonja outbox list`")
    return found


def _data(row: "SetAside") -> bytes:
    from infra import set_aside

    return _in_the_market(lambda connection: set_aside.data_of(connection, row))


def _resend(rows: "list[SetAside]") -> None:
    from infra import set_aside

    async def again(connection: "asyncpg.Connection") -> None:
        for row in rows:
            await set_aside.send_again(connection, row)

    _in_the_market(again)
