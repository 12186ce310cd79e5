"""The servers and a market for the tests, and their quick part: ``pytest --unit``.

What the fixtures need is imported when they are used: Faust, the web and the servers cost more seconds than the quick part has.
"""

import atexit
import gc
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import servers

if TYPE_CHECKING:
    from infra.embedded import Servers
    from tests.market import Market, Markets

__all__ = ["market", "markets", "servers", "topics"]

ON_SERVERS = re.compile(
    r"^((from|import) (tests\.(market|faults|test_access)|playwright|schemathesis)|pytestmark = \[?pytest\.mark\.servers)\b",
    re.MULTILINE,
)
"""Says of a test file, or of a folder by its conftest, that the whole of it is about a market that runs."""


FAMILY = ("contracts", "purchases", "fulfilment", "conduct")
"""What became of contracts is told by the first, what was bought without competition comes from the second, the third carries out, and the
fourth judges: none has much to say without the others."""
ALONE = ("tests/faults/", "tests/infra/")
"""Folders each file of which is a piece of work by itself, for any process of a whole run. Elsewhere it is the whole folder, which
shares a market; the quick part has none, and shares out files everywhere."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only the tests that need no servers and no data, in seconds")
    parser.addoption(
        "--examples",
        type=int,
        help="how many requests of each reader to each route are made up (own ones: 5, Schemathesis: 2)",
    )


WHOLE_EXAMPLES, QUICK_EXAMPLES = 100, 25
"""How many examples a property is tried with in the whole run, and in the quick part."""


def pytest_configure(config: pytest.Config) -> None:
    """What is imported stays to the end: the collector need not walk through it, neither now nor between the tests nor at the exit.

    No test measures time, so a busy machine fails none.
    """
    examples = QUICK_EXAMPLES if config.getoption("unit") else WHOLE_EXAMPLES
    settings.register_profile(
        "lonja", max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("lonja")
    gc.disable()
    atexit.register(gc.freeze)


def pytest_collection_finish() -> None:
    """The tests themselves make little that only the collector can free, and much, tables of cities, that it walks in vain."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The quick part does not even import what is all about servers. None leaves the decision to others."""
    told = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if not config.getoption("unit") or told.suffix != ".py" or not told.exists():
        return None
    return bool(ON_SERVERS.search(told.read_text())) or None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out (``--dist loadscope``): the first process begins at the first folder, and the others at the last.

    They meet where all are done at the same time, whatever the tests take. Early are the faults, which mostly wait; late are the
    services, the simulation and the journeys, which mostly compute: three processes keep two cores busy.
    """
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class FromBothEnds(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if config.getoption("unit") or path.startswith(ALONE) else path.rpartition("/")[0]

        def _assign_work_unit(self, node: Any) -> None:
            if node is not self.nodes[0]:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            super()._assign_work_unit(node)

    config.option.loadscopereorder = False
    return FromBothEnds(config, log)


@pytest.fixture(scope="session")
async def topics(servers: "Servers") -> None:
    """Every topic of the table, empty at the beginning of the run."""
    from infra.topics import create_topics

    await create_topics(servers.kafka_bootstrap)


@pytest.fixture(scope="session")
async def markets(servers: "Servers", topics: None) -> "AsyncIterator[Markets]":
    from tests.market import Markets

    kept = Markets(servers)
    yield kept
    await kept.stop()


@pytest.fixture(scope="module")
async def market(markets: "Markets", request: pytest.FixtureRequest) -> "Market":
    """The tests of one service play all the others, so their market has that service alone, or those of a :data:`FAMILY`; elsewhere it
    is whole.

    It serves all modules of a folder: tests make organisations and things of their own in it.
    """
    parts = request.path.parts
    if "services" not in parts:
        return await markets.of(())
    service = parts[parts.index("services") + 1]
    return await markets.of(FAMILY if service in FAMILY else (service,))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whoever uses the servers or the real data is marked so; what is left is the quick part."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if {"servers", "market"} & fixtures:
            item.add_marker(pytest.mark.servers)
        if "data" in fixtures:
            item.add_marker(pytest.mark.data)
    if config.getoption("unit"):
        slow = [item for item in items if any(item.get_closest_marker(name) for name in ("servers", "data", "long"))]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
