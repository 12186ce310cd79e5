"""The embedded PostgreSQL and Kafka for tests, in a home of their own that is kept between runs for speed.

`LONJA_TEST_HOME` moves it (default `.lonja-test`), so that two test runs do not meet. Each process of a parallel run has its own in it.
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
    """Where this process of the tests keeps what it starts."""
    return Path(os.environ.get("LONJA_TEST_HOME", ".lonja-test")) / os.environ.get("PYTEST_XDIST_WORKER", "")


def started(home: Path) -> "Servers":
    """The servers of a home, Kafka without any message or consumer's offset of an earlier run."""
    from infra.embedded import Servers, is_owned  # here: the quick part of the tests does without

    if not is_owned(home):  # another run has it, and is to keep its broker when this one is refused
        shutil.rmtree(home / "kafka", ignore_errors=True)
    return Servers.start(home)


@pytest.fixture(scope="session")
def servers() -> "Iterator[Servers]":
    """Both servers, running; tests make databases and topics of their own names in them."""
    running = started(home_of_tests())
    yield running
    running.stop()
