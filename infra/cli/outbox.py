"""`lonja outbox`: events that a relay could not send and set aside, and their second chance."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from infra.cli.output import AsJson, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    from infra.set_aside import SetAside

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Events that could not be sent and were set aside: list, show, resend.",
)
Name = Annotated[str, typer.Argument(help="SERVICE/POSITION, as `lonja outbox list` shows it.")]


class NoSuchRow(LookupError):
    """Nothing of that name is set aside."""

    code = "no-such-outbox-row"


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Events that were set aside, by service, oldest first."""
    rows = asyncio.run(_rows())
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
    found = asyncio.run(_one(row))
    facts = msgspec.to_builtins(found) | {"data": asyncio.run(_data(found)).decode(errors="replace")}
    if as_json:
        print_json(facts)
    else:
        for name, fact in facts.items():
            say(f"{name}: {fact}")


@app.command()
def resend(
    row: Annotated[str, typer.Argument(help="SERVICE/POSITION; without it, all.")] = "",
) -> None:
    """Let the relay try again, once the reason is mended."""
    rows = [asyncio.run(_one(row))] if row else asyncio.run(_rows())
    asyncio.run(_resend(rows))
    say(f"{len(rows)} will be sent again; `lonja outbox list` shows what is set aside anew")


def _name(row: "SetAside") -> str:
    return f"{row.service}/{row.position}"


async def _rows() -> "list[SetAside]":
    from infra import set_aside
    from infra.cli.market import market_database

    async with market_database(Config.running(), "accounts.outbox") as database:
        return await set_aside.rows(database.pool)


async def _one(name: str) -> "SetAside":
    found = next((row for row in await _rows() if _name(row) == name), None)
    if found is None:
        raise NoSuchRow(f"nothing is set aside as {name}; see `lonja outbox list`")
    return found


async def _data(row: "SetAside") -> bytes:
    from infra import set_aside
    from infra.cli.market import market_database

    async with market_database(Config.running(), "accounts.outbox") as database:
        return await set_aside.data_of(database.pool, row)


async def _resend(rows: "list[SetAside]") -> None:
    from infra import set_aside
    from infra.cli.market import market_database

    async with market_database(Config.running(), "accounts.outbox") as database:
        for row in rows:
            await set_aside.send_again(database.pool, row)
