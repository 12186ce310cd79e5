"""What logs contain, and what they never contain."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from infra import logs
from infra.causality import caused_by
from infra.ids import new_id

log = logging.getLogger("tests.said")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level, hook = root.handlers[:], root.level, sys.excepthook
    stream = io.StringIO()
    logs.configure("json", stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level, sys.excepthook = before, level, hook


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_an_object_with_the_request_that_led_to_it(written: io.StringIO) -> None:
    with caused_by("chain-1", "request-1"):
        log.warning("%d rows\nwere set aside", 3)
    log.info("later")
    first, second = lines(written)
    assert first["message"] == "3 rows\nwere set aside"
    assert (first["level"], first["logger"], first["correlation"]) == ("warning", "tests.said", "chain-1")
    assert first["time"].endswith("Z")
    assert "correlation" not in second


def test_libraries_write_as_we_do(written: io.StringIO) -> None:
    for name in ("uvicorn.error", "aiokafka.consumer", "asyncio"):
        logging.getLogger(name).warning("lost")
    assert [line["logger"] for line in lines(written)] == ["uvicorn.error", "aiokafka.consumer", "asyncio"]


def test_what_a_library_repeats_is_written_once_a_minute_with_how_often(written: io.StringIO) -> None:
    def says(name: str, at: float, what: str = "broker %s is gone", *arguments: object) -> None:
        record = logging.LogRecord(name, logging.ERROR, "", 0, what, arguments or (1,), None)
        record.created = at
        logging.getLogger().handlers[0].handle(record)

    for second in (1_000, 1_001, 1_059, 1_060, 1_061):
        says("aiokafka.conn", second)
        says("infra.outbox", second)
    says("aiokafka.conn", 1_062, "broker %s is back")
    says("aiokafka.conn", 1_200)
    assert [line["message"] for line in lines(written) if line["logger"] == "aiokafka.conn"] == [
        "broker 1 is gone",
        "broker 1 is gone (said 2 more times since)",
        "broker 1 is back",
        "broker 1 is gone (said 1 more times since)",
    ]
    assert len([line for line in lines(written) if line["logger"] == "infra.outbox"]) == 5


def test_what_is_remembered_of_repeated_lines_is_bounded() -> None:
    repeats = logs.Repeats()
    for number in range(3 * logs.REMEMBERED):
        assert repeats.filter(logging.LogRecord("aiokafka", logging.ERROR, "", 0, f"task {number} failed", (), None))
    assert len(repeats._said) == logs.REMEMBERED


def test_an_exception_is_part_of_its_line(written: io.StringIO) -> None:
    try:
        raise ValueError("no such kind")
    except ValueError:
        log.exception("it failed")
    (line,) = lines(written)
    assert line["exception"].startswith("Traceback") and line["exception"].endswith("ValueError: no such kind")


def test_a_person_at_a_terminal_reads_text(written: io.StringIO) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure(None, stream)
    with caused_by("chain-2", "chain-2"):
        log.warning("away")
    assert stream.getvalue().endswith(" warning tests.said away [chain-2]\n")


@pytest.mark.parametrize(
    "secret",
    [
        "authorization: Bearer abcdefghijklmnopqrstuvwxyz",
        "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.abc-DEF_1",
        "postgresql://lonja:abcdefghijklmnopqrstuvwxyz@db:5432/lonja",
        "smtps://user:abcdefghijklmnopqrstuvwxyz@mail",
        'password="abcdefghijklmnopqrstuvwxyz"',
        "{'password': 'abcdefghijklmnopqrstuvwxyz'}",
        "api_key=abcdefghijklmnopqrstuvwxyz&x=1",
    ],
)
def test_passwords_and_tokens_are_left_out(written: io.StringIO, secret: str) -> None:
    log.error("refused: %s", secret)
    try:
        raise OSError(f"cannot use {secret}")
    except OSError:
        log.exception("refused")
    said = written.getvalue()
    assert "abcdefghijklmnopqrstuvwxyz" not in said and "eyJzdWIiOiJ4In0" not in said


def test_who_bids_is_left_out_of_what_an_exception_says(written: io.StringIO) -> None:
    bidder = new_id()
    double = asyncpg.UniqueViolationError("duplicate key value violates unique constraint")
    double.detail = f"Key (auction_id, supplier_id)=(a, {bidder}) already exists."
    for error in (double, KeyError(bidder), ValueError(f"[parameters: ('{bidder}', 5)]")):
        try:
            raise error
        except Exception as failure:
            log.exception("a batch did not commit: %s, %r", failure, failure)
    assert "duplicate key value" in written.getvalue()
    assert bidder not in written.getvalue()


def test_the_error_that_ends_a_process_is_logged(written: io.StringIO) -> None:
    hook = sys.excepthook
    try:
        raise RuntimeError("cannot go on")
    except RuntimeError as error:
        hook(type(error), error, error.__traceback__)
    (line,) = lines(written)
    assert line["level"] == "critical" and "cannot go on" in line["exception"]
