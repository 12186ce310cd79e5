"""The embedded PostgreSQL and Kafka for tests, in a separate home that is kept between runs for speed.

`LONJA_TEST_HOME` sets its place (default `.lonja-test`), so that two test runs can be separate. Each process of a
parallel run has its own home in it.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra.embedded import Servers


def home_of_tests() -> Path:
    """The home of the servers that this test process starts."""
    return Path(os.environ.get("LONJA_TEST_HOME", ".lonja-test")) / os.environ.get("PYTEST_XDIST_WORKER", "")


def started(home: Path) -> "Servers":
    """The servers of a home; Kafka has no message or offset of an earlier run."""
    from infra.embedded import Servers, is_owned  # imported here, because the quick part of the tests does not need it

    if not is_owned(home):  # another run uses it and must keep its broker when this one is refused
        shutil.rmtree(home / "kafka", ignore_errors=True)
    return Servers.start(home)


@pytest.fixture(scope="session")
def servers() -> "Iterator[Servers]":
    """Both servers, running; tests make databases and topics with their own names in them."""
    running = started(home_of_tests())
    yield running
    running.stop()
