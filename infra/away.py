"""Tells errors of the work itself from errors of something that the work needs and that is unavailable for a while.

"Away" in names and messages means unavailable. Work waits for an unavailable server however long that takes, and never becomes a dead
letter for it. If only one item needs an unavailable server while the database works, only that item is postponed: an event with its
partition (:mod:`infra.inbox`), or an item that is due (:mod:`infra.due`).

Commands that need neither SQLAlchemy nor aiokafka start without them: a library that is not loaded has raised nothing.
"""

import asyncio
import errno
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from infra.clock import WrongClock
from infra.health import HEALTH, PartState
from infra.running import NotRunning, Outdated, TablesBehind
from infra.tasks import stop_if_cancelled

log = logging.getLogger(__name__)
T = TypeVar("T")
PAUSE = 1.0
"""Seconds between two tries."""
FREE_THE_LOCK = "find the session that holds the lock in pg_stat_activity, and end it"
BRING_IT_BACK = "restore the server, disk or memory that the reason names"
LONGEST_MESSAGE = 1000
"""Characters of an error that are shown to people."""

DATABASE = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.PostgresSystemError,  # I/O errors of the server
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,  # serialization failures and deadlocks
)
RESOURCES = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


def is_away(error: BaseException) -> bool:
    """True if a server, memory, disk, lock or correct clock that the work needs is unavailable now: the work itself is not at fault."""
    if (found := _by_sqlalchemy(error)) is not None:
        return found
    if isinstance(error, OSError):
        return error.filename is None or error.errno in RESOURCES  # without it the error is about a file
    if isinstance(error, asyncpg.InterfaceError) and (isinstance(error, ValueError) or " argument" in str(error)):
        # the driver cannot encode a value of the work, or refuses the arguments of its statement: too many, or too few
        return False
    if (found := _by_kafka(error)) is not None:
        return found
    return isinstance(error, (*DATABASE, NotRunning, Outdated, TablesBehind, WrongClock, MemoryError))


def is_locked(error: BaseException) -> bool:
    """True if someone else holds the lock of a row that the work needs; the server can do all other work."""
    driver = getattr(getattr(error, "orig", None), "__cause__", None)  # as SQLAlchemy wraps it
    return any(isinstance(each, asyncpg.LockNotAvailableError) for each in (error, driver))


def remedy(error: BaseException, what: str) -> str:
    """What a person does about a locked row or an unavailable server; ``what`` names the waiting work."""
    do = FREE_THE_LOCK if is_locked(error) else BRING_IT_BACK
    return f"{do}; {what} then continues by itself"


def is_of_kafka(error: BaseException) -> bool:
    """True if the unavailable server is Kafka, not the database."""
    errors = sys.modules.get("aiokafka.errors")
    return errors is not None and isinstance(error, errors.KafkaError)


def lacks_resources(error: BaseException) -> bool:
    """True if this machine, or that of the database, has no memory, disk or handles left."""
    driver = getattr(getattr(error, "orig", None), "__cause__", None)  # as SQLAlchemy wraps it
    lacking = (MemoryError, asyncpg.InsufficientResourcesError)
    return any(
        isinstance(each, lacking) or (isinstance(each, OSError) and each.errno in RESOURCES) for each in (error, driver)
    )


def _by_sqlalchemy(error: BaseException) -> bool | None:
    """None if the error is not one of SQLAlchemy. SQLAlchemy wraps the driver's errors twice, and has no class for a server that is
    starting."""
    errors = sys.modules.get("sqlalchemy.exc")
    if errors is not None and isinstance(error, errors.TimeoutError):
        return True  # all connections of the pool are in use
    if errors is None or not isinstance(error, errors.DBAPIError):
        return None
    driver = error.orig.__cause__ if error.orig is not None else None
    if driver is not None and not isinstance(error, errors.OperationalError):
        return bool(error.connection_invalidated) or is_away(driver)
    return bool(error.connection_invalidated) or isinstance(error, (errors.OperationalError, errors.InterfaceError))


def _by_kafka(error: BaseException) -> bool | None:
    """None if the error is not one of aiokafka."""
    errors = sys.modules.get("aiokafka.errors")
    if errors is None or not isinstance(error, errors.KafkaError):
        return None
    # errors that pass although aiokafka does not call them retriable
    passing = (
        errors.BrokerNotAvailableError,
        errors.KafkaTimeoutError,
        errors.KafkaUnavailableError,
        errors.ProducerClosed,
    )
    return isinstance(error, passing) or (
        error.retriable and not isinstance(error, errors.UnknownTopicOrPartitionError)
    )


def in_short(error: BaseException) -> str:
    """Its class and the beginning of its message: an error may quote a value of any size."""
    return f"{type(error).__name__}: {str(error)[:LONGEST_MESSAGE]}"


async def there(what: str, begin: Callable[[], Awaitable[T]]) -> T:
    """Call ``begin`` until the servers that it needs are available. Return its result. ``what`` names them for the log and for health."""
    while True:
        try:
            found = await begin()
        except Exception as error:
            stop_if_cancelled()
            if not is_away(error):
                raise
            log.warning("waiting for %s: %s", what, in_short(error))
            HEALTH.report("server", what, PartState.waiting, in_short(error))
            await asyncio.sleep(PAUSE)
        else:
            HEALTH.report("server", what, PartState.running)
            return found
