"""`lonja backup` and `lonja restore`."""

from pathlib import Path
from typing import Annotated

import typer

from infra.cli.output import say
from infra.config import Config

Directory = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False)]


def backup(directory: Directory) -> None:
    """Copy the running market into an empty directory: database, events, offsets, secrets, mails. The market continues
    meanwhile."""
    from infra import backup as work

    work.save(Config.running(), directory.absolute(), say)
    say(f"the backup is complete in {directory}; it holds the secrets of the market: keep it safe")


def restore(directory: Directory) -> None:
    """Make a market from a backup in an empty home (LONJA_HOME); `lonja up` then continues from the state of the
    copy."""
    from infra import backup as work

    config = Config.load()
    work.restore(config, directory.absolute(), say)
    say(f"restored in {config.home}; `lonja up` starts it")
