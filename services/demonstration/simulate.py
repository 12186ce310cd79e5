"""`lonja simulate`: a seeded market day against the running market."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.market import answering
from infra.cli.output import AsJson, errors, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    from services.demonstration.day import Plan
    from services.demonstration.report import Tally


def simulate(
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same organisations and the same random choices.")
    ] = 1,
    bids_per_second: Annotated[float, typer.Option(min=0.1, max=5000)] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="How long suppliers bid.")] = 30,
    suppliers: Annotated[int, typer.Option(min=2, max=500)] = 8,
    agencies: Annotated[int, typer.Option(min=1, max=100)] = 4,
    finish: Annotated[bool, typer.Option(help="Wait until the auctions are closed, and sign the contracts.")] = True,
    patience: Annotated[
        float, typer.Option(min=1, help="Seconds for which a call is sent again while the market is away.")
    ] = 60,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every acknowledged verdict to this file, one JSON line each."),
    ] = None,
    url: Annotated[str, typer.Option(help="The address of the market; default: that of this home.")] = "",
    as_json: AsJson = False,
) -> None:
    """Play a market day through the API: agencies, suppliers that bid at the same time, a pool, contracts. Print what
    happened."""
    from services.demonstration.day import Plan

    config = Config.running()
    plan = Plan(
        seed=seed,
        seconds=seconds,
        bids_per_second=bids_per_second,
        suppliers=suppliers,
        agencies=agencies,
        minutes=_shortest_auction(config),
        finish=finish,
        patience=patience,
    )
    summary = asyncio.run(_play(config, plan, url or config.local_url, record, quiet=as_json))
    if as_json:
        print_json(summary)
        return
    say("")
    print_table(("the day", ""), ((name.replace("_", " "), _shown(figure)) for name, figure in summary.items()))


def _shortest_auction(config: Config) -> int:
    """The length of the shortest auction in minutes."""
    from catalogue.policy import load
    from services.demonstration.auctions import lengths

    return lengths(load(config.policy, config.policies))[0]


async def _play(config: Config, plan: "Plan", url: str, record: Path | None, *, quiet: bool) -> dict[str, Any]:
    from services.demonstration.client import Client
    from services.demonstration.day import Day
    from services.demonstration.report import Tally
    from services.demonstration.seed import demo_password

    with record.open("a") if record else nullcontext() as lines:
        tally = Tally(record=lines)
        async with Client.visiting(await answering(url), plan.patience) as visitor:
            if quiet:
                return await Day(visitor, plan, demo_password(config), tally, lambda line: None).play()
            with errors.status("") as status:
                showing = asyncio.create_task(_show(tally, status))
                try:
                    return await Day(visitor, plan, demo_password(config), tally, say).play()
                finally:
                    showing.cancel()


async def _show(tally: "Tally", status: Any) -> None:
    """Show the growing figures, below the lines about events."""
    while True:
        status.update(
            f"{tally.accepted} bids accepted, {tally.refused.total()} refused, {tally.extensions} extensions,"
            f" {tally.closed} of {tally.opened} auctions closed, {tally.contracts} contracts"
        )
        await asyncio.sleep(0.3)


def _shown(figure: object) -> str:
    if isinstance(figure, dict):
        return ", ".join(f"{name} {number}" for name, number in figure.items()) or "none"
    return str(figure)
