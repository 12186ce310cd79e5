"""`lonja streams` and `lonja rebuild`: the Faust views."""

import asyncio
from typing import Annotated

import typer

from infra.cli.output import AsJson, print_json, say
from infra.cli.serve import work
from infra.config import Config


def streams(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Services; default: all.")] = None,
) -> None:
    """Keep the streaming views of the services up to date until Ctrl-C or SIGTERM."""
    from infra import logs, runtime

    config = Config.load()
    logs.configure(config.log_format)
    runtime.preload(names or ())
    asyncio.run(work([runtime.run_streams(config, names or ())], signals=True))


def rebuild(
    views: Annotated[list[str] | None, typer.Argument(metavar="[VIEW]…", help="Views; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild streaming views by replay of their topics."""
    replayed = asyncio.run(_rebuild(Config.running(), views or [], quiet=as_json))
    if as_json:
        print_json(replayed)


async def _rebuild(config: Config, views: list[str], *, quiet: bool) -> dict[str, int]:
    """View → messages replayed."""
    from infra import runtime

    replayed = {}
    async for view, count in runtime.rebuild(config, views):
        replayed[view] = count
        if not quiet:
            say(f"{view}: {count} messages replayed")
    return replayed
