"""What `lonja up` does once, in a separate process, so that its memory is freed when it ends: the tables need the models of all
services, and the demonstration needs a client, passwords and maps.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import Annotated, Any, Literal

import typer

from infra.cli.output import say
from infra.config import Config

Act = Literal["tables", "demonstration"]
DEMONSTRATION = "services.demonstration.cli"


class NotDone(Exception):
    """The separate process failed; it has printed the reason."""

    code = "not-done"


async def run(act: Act, config: Config) -> None:
    """Do it in a separate process. It shares the output of this process and ends with it; Ctrl-C reaches only this
    process. Raise NotDone."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", "apart", act),
        env={**os.environ, **config.environment()},
        start_new_session=True,
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise NotDone(f"the {act} could not be made (exit code {code}): the reason is above")


def apart(act: Annotated[Act, typer.Argument()]) -> None:
    """The command of the separate process that `lonja up` starts."""
    asyncio.run(_ACTS[act](Config.load()))


async def _make_tables(config: Config) -> None:
    from infra.runtime import migrate

    await migrate(config)


async def _make_demonstration(config: Config) -> None:
    await import_module(DEMONSTRATION).fill(config, say)


_ACTS: dict[Act, Callable[[Config], Coroutine[Any, Any, None]]] = {
    "tables": _make_tables,
    "demonstration": _make_demonstration,
}
