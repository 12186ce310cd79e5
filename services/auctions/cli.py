"""`lonja export auction` and `lonja verify`: the market writes the proof of an auction, and anybody can check it."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.market import market_database
from infra.cli.output import AsJson, Unwritable, print_json, say

export_app = typer.Typer(no_args_is_help=True, add_completion=False)
verify_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Check a proof or a receipt from its file alone: without this market, its database or a network.",
)
Key = Annotated[
    str | None,
    typer.Option(
        metavar="HEX",
        help="The market's public key, as published. Without it the key in the file is used; compare that key yourself.",
    ),
]
File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]


@export_app.callback()
def export() -> None:
    """Write what happened in this market as open data."""


@export_app.command("auction")
def export_auction(
    auction_id: Annotated[str, typer.Argument(metavar="ID", help="The end of the mini-auction's address.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file is written only when the proof is complete.")],
    as_json: AsJson = False,
) -> None:
    """Write the public log of a closed auction with its proof; `lonja verify auction FILE` checks it."""
    fresh = file.with_name(file.name + ".part")
    try:
        lines = asyncio.run(_write(auction_id, fresh))
        fresh.replace(file)
    except OSError as error:
        raise Unwritable(file, error) from error
    finally:
        with suppress(OSError):
            fresh.unlink()
    if as_json:
        print_json({"file": str(file), "auction_id": auction_id, "lines": lines})
    else:
        say(f"{lines} lines of the log in {file}")


@contextmanager
def _sound_or_told(as_json: bool) -> Iterator[None]:
    """Catch what is unsound: it ends the command, and with JSON output it is also printed as JSON."""
    from services.auctions.domain.audit import Unsound

    try:
        yield
    except Unsound as error:
        if as_json:
            print_json({"sound": False, "because": str(error)})
        raise


@verify_app.callback()
def verify() -> None:
    """Check a proof or a receipt from its file alone."""


@verify_app.command("auction")
def verify_auction(file: File, key: Key = None, as_json: AsJson = False) -> None:
    """Recompute every verdict, every end and the winner of an auction, and check the signature. The exit code is 1 if it
    fails."""
    from services.auctions import proof

    with _sound_or_told(as_json):
        audit, trailer = proof.verify(file.read_bytes(), key=key)
    result, opened = audit.result, audit.state.opened
    assert result is not None, "a proof ends with the close"
    found = {
        "sound": True,
        "auction_id": opened.auction_id,
        "title": opened.title,
        "outcome": result.outcome,
        "winner": result.winner,
        "amount": None if result.amount is None else str(result.amount),
        "currency": opened.currency,
        "accepted": audit.accepted,
        "refused": audit.refused,
        "ends": [{"reason": reason, "closes_at": instant.isoformat()} for reason, instant in audit.ends],
        "root": trailer.root,
        "log_size": trailer.size,
        "log_root": trailer.log_root,
        "signed_at": trailer.signed_at.isoformat(),
        "key": trailer.key,
    }
    if as_json:
        print_json(found)
        return
    say(f"sound: {opened.title} ({opened.auction_id})")
    won = f"participant {result.winner} at {result.amount} {opened.currency}" if result.winner else "nobody"
    say(
        f"  {result.outcome}, won by {won}; {audit.accepted} bids accepted and {audit.refused} refused, each judged again"
    )
    for reason, instant in audit.ends:
        say(f"  end {instant:%Y-%m-%d %H:%M:%S} UTC by {reason}")
    say(f"  root {trailer.root}")
    say(f"  in the market's log of {trailer.size} mini-auctions, signed {trailer.signed_at:%Y-%m-%d %H:%M:%S} UTC")
    _say_key(trailer.key, key)


@verify_app.command("receipt")
def verify_receipt(
    file: File,
    auction: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The mini-auction's proof, to check that the receipt's line is in it.",
        ),
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Check the signature under a bid's receipt, and with --auction that the log has its line. The exit code is 1 if it
    fails."""
    from services.auctions import proof

    with _sound_or_told(as_json):
        receipt = proof.verify_receipt(file.read_bytes(), auction.read_bytes() if auction else None, key=key)
    found = {
        "sound": True,
        "auction_id": receipt.auction_id,
        "position": receipt.position,
        "line": receipt.line,
        "hash": receipt.hash,
        "in_log": auction is not None,
        "key": receipt.key,
    }
    if as_json:
        print_json(found)
        return
    say(f"sound: line {receipt.position} of the log of {receipt.auction_id}" + (", and in it" if auction else ""))
    say(f"  {receipt.line}")
    _say_key(receipt.key, key)


def _say_key(used: str, given: str | None) -> None:
    say(f"  key {used}" + ("" if given else ": compare it with the market's, published at /api/log"))


async def _write(auction_id: str, file: Path) -> int:
    """Write the proof and return how many lines of the log it has."""
    lines = 0
    with file.open("wb") as stream:
        async with aclosing(_proof(auction_id)) as parts:
            async for part in parts:
                stream.write(part)
                lines += part.count(b"\n")
    return lines - 1


async def _proof(auction_id: str) -> AsyncGenerator[bytes]:
    from infra.config import Config
    from infra.signing import Signer
    from services.auctions.market_log import MarketLog

    config = Config.running()
    async with market_database(config, "auctions.leaves") as database, database.pool.acquire() as db:
        async for part in await MarketLog(Signer.load(config.secrets_dir)).proof(db, auction_id):
            yield part
