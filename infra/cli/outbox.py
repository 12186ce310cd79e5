"""`lonja outbox`: events that a relay could not send and set aside: list, show, resend or dismiss."""

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
    help="Events that could not be sent and were set aside: list, show, resend, dismiss.",
)
Name = Annotated[str, typer.Argument(help="SERVICE/POSITION, as `lonja outbox list` shows it.")]


T = TypeVar("T")


class NoSuchRow(LookupError):
    """Nothing with that name is set aside."""

    code = "no-such-outbox-row"


@app.command("list")
def list_all(
    everything: Annotated[bool, typer.Option("--all", help="Include those that were dismissed.")] = False,
    as_json: AsJson = False,
) -> None:
    """List events that were set aside and not dismissed, by service, oldest first."""
    rows = _rows() if everything else _waiting()
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
    """Show one event that was set aside, dismissed or not, with its data."""
    found = _one(row)
    facts = msgspec.to_builtins(found) | {"data": _data(found).decode(errors="replace")}
    print_facts(facts, as_json)


@app.command()
def resend(
    row: Annotated[str, typer.Argument(help="SERVICE/POSITION; without it, all are sent.")] = "",
) -> None:
    """Let the relay send events that were set aside again, when the reason is corrected. A dismissed event is sent only
    if it is named."""
    rows = [_one(row)] if row else _waiting()
    if not rows:
        say("no event is set aside: there is nothing to send again")
        return
    _resend(rows)
    events = "1 event is" if len(rows) == 1 else f"{len(rows)} events are"
    say(f"{events} sent again now; if Kafka refuses one once more, `lonja outbox list` shows it with the reason")


@app.command()
def dismiss(
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it need not be sent; kept with the row.")],
    row: Annotated[str, typer.Argument(help="SERVICE/POSITION, as `lonja outbox list` shows it.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Dismiss every event that `list` shows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that an event need never be sent: `lonja doctor` does not report it any more. No service receives it; the row
    is kept as proof."""
    if bool(row) == everything:
        raise typer.BadParameter("give either SERVICE/POSITION or --all")
    if not reason.strip():
        raise typer.BadParameter("--reason is empty: say why the event need not be sent")
    rows = _waiting() if everything else [_one(row)]
    _dismiss(rows, reason.strip())
    if as_json:
        print_json({"dismissed": [_name(each) for each in rows]})
    else:
        say(f"dismissed {len(rows)}")


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


def _waiting() -> "list[SetAside]":
    """The events that were set aside and not dismissed."""
    return [row for row in _rows() if row.dismissed_at is None]


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


def _dismiss(rows: "list[SetAside]", why: str) -> None:
    from infra import set_aside

    async def settle(connection: "asyncpg.Connection") -> None:
        for row in rows:
            await set_aside.dismiss(connection, row, why)

    _in_the_market(settle)
