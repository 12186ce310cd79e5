"""Work waits for an unavailable server, but not after an error of its own."""

import errno

import asyncpg
import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)
from asyncpg.exceptions import _base
from litestar import get
from litestar.testing import create_test_client
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as AllConnectionsInUse

from infra.away import is_away, is_locked
from infra.running import NotRunning
from infra.web.errors import on_crash

TOO_MANY_ARGUMENTS = asyncpg.InterfaceError("the number of query arguments cannot exceed 32767")
STARTING = asyncpg.CannotConnectNowError("the database system is starting up")


def wrapped(driver: Exception) -> DBAPIError:
    """The error as SQLAlchemy wraps it."""
    adapted = Exception(str(driver))
    adapted.__cause__ = driver
    return DBAPIError("select 1", None, adapted)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connect call failed"),
        TimeoutError(),
        AllConnectionsInUse("QueuePool limit of size 10 overflow 10 reached"),
        STARTING,
        wrapped(STARTING),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        asyncpg.DiskFullError("could not extend file"),
        wrapped(asyncpg.OutOfMemoryError("out of memory")),
        asyncpg.TooManyConnectionsError("sorry, too many clients already"),
        asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
        wrapped(asyncpg.DeadlockDetectedError("deadlock detected")),
        asyncpg.SerializationError("could not serialize access"),
        asyncpg.PostgresIOError("could not read block"),
        OSError(errno.ENOSPC, "No space left on device", "model.bin"),
        MemoryError(),
        KafkaConnectionError("no broker"),
        KafkaTimeoutError(),
        NotRunning("PostgreSQL"),
    ],
)
def test_what_comes_of_a_lost_server_is_worth_waiting_for(error: Exception) -> None:
    assert is_away(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file", "model.bin"),
        asyncpg.UniqueViolationError("twice"),
        _base.DataError("value out of int32 range"),
        TOO_MANY_ARGUMENTS,
        wrapped(TOO_MANY_ARGUMENTS),
        asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
        asyncpg.ProgramLimitExceededError("index row size exceeds maximum"),
        MessageSizeTooLargeError(),
        UnknownTopicOrPartitionError(),
        wrapped(asyncpg.UndefinedTableError("no such table")),
        ValueError("a bug"),
    ],
)
def test_a_fault_is_not_waited_for(error: Exception) -> None:
    assert not is_away(error)


def test_a_lock_is_distinguished_from_everything_else_that_is_away() -> None:
    lock = asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
    assert is_locked(lock) and is_locked(wrapped(lock))
    assert not is_locked(wrapped(STARTING)) and not is_locked(TimeoutError())


def test_the_api_asks_to_come_again_while_the_is_away() -> None:
    @get("/api/thing", sync_to_thread=False)
    def thing() -> None:
        raise wrapped(STARTING)

    with create_test_client(thing, exception_handlers={Exception: on_crash}) as client:
        answer = client.get("/api/thing")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
