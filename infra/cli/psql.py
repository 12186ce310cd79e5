"""`lonja psql`: the database of the market, for work that no other command does."""

import asyncio
import os
from contextlib import suppress
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer


def psql(
    statements: Annotated[
        list[str] | None,
        typer.Option("--command", "-c", metavar="SQL", help="Run this statement and end; may be given several times."),
    ] = None,
) -> None:
    """Open psql on the database of the market, with the market's own login. Without -c it reads the terminal, or stdin."""
    import asyncpg

    from infra.answering import check_database
    from infra.config import Config
    from infra.embedded import addresses
    from infra.embedded.postgres import binary

    url, _ = addresses(Config.running())
    with suppress(asyncpg.PostgresError):  # psql itself says why a server refuses the login
        asyncio.run(check_database(url))
    parts = urlsplit(url)
    login, _, server = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    shown = parts._replace(netloc=f"{user}@{server}" if user else server).geturl()
    environment = {**os.environ, **({"PGPASSWORD": unquote(password)} if password else {})}
    given = [word for statement in statements or () for word in ("-c", statement)]
    # The password is not among the arguments, which every user of the machine can read.
    os.execve(binary("psql"), ["psql", "-v", "ON_ERROR_STOP=1", *given, shown], environment)
