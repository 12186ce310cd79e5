"""Lets a stopped consumer or view continue when a person says so: `lonja consumers resume` writes this into the
database, and the process that runs the stopped part, on any host, looks there every two seconds."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from shlex import quote

import asyncpg

from infra.away import in_short, is_away
from infra.deadline import Deadline
from infra.health import HEALTH, PartState
from infra.operations.processes import RunningProcess

log = logging.getLogger(__name__)
EVERY = 2.0
PATIENCE = 20.0
"""Timeout of one query, in seconds."""
KINDS = ("consumer", "view")
"""The kinds of parts that stop after too many failures."""


def remedy(name: str) -> str:
    """What a person does about a stopped consumer or view of that name."""
    return (
        "see the newest of `lonja dead-letters list` and correct what they name,"
        f" then `lonja consumers resume {quote(name)}` and `lonja dead-letters replay --all`"
    )


async def ask(connection: asyncpg.Pool | asyncpg.Connection, parts: Sequence[str]) -> None:
    """Store that these parts may continue; a part is "kind name"."""
    await connection.execute(
        "insert into operations.resumes (part, asked_at) select unnest($1::text[]), clock_timestamp()"
        " on conflict (part) do update set asked_at = excluded.asked_at",
        list(parts),
    )


async def asked(pool: asyncpg.Pool, parts: Callable[[], Sequence[str]]) -> None:
    """Return when a person says, after this began, that one of the parts may continue. Waits while the database is
    away."""
    since = None
    while True:
        try:
            async with Deadline(PATIENCE):
                if since is None:
                    since = await pool.fetchval("select clock_timestamp()")
                elif await pool.fetchval(
                    "select exists (select from operations.resumes where part = any($1::text[]) and asked_at > $2)",
                    list(parts()),
                    since,
                ):
                    return
        except Exception as error:
            if not is_away(error):
                raise
            log.debug("whether a person lets %s continue is not known: %s", parts(), in_short(error))
        await asyncio.sleep(EVERY)


def stopped_here(kind: str) -> list[str]:
    """The stopped parts of one kind in this process."""
    return [f"{each.kind} {each.name}" for each in HEALTH if each.kind == kind and each.state is PartState.stopped]


def states(rows: Iterable[RunningProcess]) -> list[tuple[str, str, PartState, str]]:
    """(kind, name, state, detail) of every consumer and view of the processes that are alive."""
    return [
        (each.kind, each.name, each.state, each.detail)
        for row in rows
        if row.alive
        for each in row.conditions
        if each.kind in KINDS
    ]
