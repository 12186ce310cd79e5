"""Fixtures for servers and a market, and the quick part of the tests: ``pytest --unit``.

Modules for the fixtures are imported when they are used, because Faust, the web and the servers take more seconds than
the whole quick part.
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
"""The name with which a test file, or the conftest of a folder, says that all its tests need a running market."""


FAMILY = ("contracts", "purchases", "fulfilment", "conduct")
"""Services that are tested together because they work together: the first handles contracts, the second direct
purchases, the third carries contracts out, and the fourth judges breaches."""
ALONE = ("tests/faults/", "tests/infra/")
"""Folders whose files can be given to different processes of a whole run. Elsewhere a whole folder stays together,
because it shares a market. In the quick part, which has no market, files are distributed everywhere."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only the tests that need no servers and no data, in seconds")
    parser.addoption(
        "--examples",
        type=int,
        help="how many requests of each reader to each route are made up (own ones: 5, Schemathesis: 2)",
    )


WHOLE_EXAMPLES, QUICK_EXAMPLES = 100, 25
"""The number of examples for a property in the whole run, and in the quick part."""


def pytest_configure(config: pytest.Config) -> None:
    """Freeze imported objects, which stay to the end, so that the garbage collector does not visit them.

    Deadlines of hypothesis are off: no test measures time, so a busy machine fails none.
    """
    examples = QUICK_EXAMPLES if config.getoption("unit") else WHOLE_EXAMPLES
    settings.register_profile(
        "lonja", max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("lonja")
    gc.disable()
    atexit.register(gc.freeze)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Switch the garbage collector to rare runs, and in the quick part to none before the end: tests make few reference
    cycles, but large tables and syntax trees that it would visit in vain."""
    gc.freeze()
    gc.set_threshold(10_000_000 if session.config.getoption("unit") else 20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Collect garbage once, so that errors in it are reported, and freeze the rest: afterwards pytest collects five times
    more, and each time would visit all tables and syntax trees."""
    gc.collect()
    gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In the quick part, do not import files that need servers. None leaves the decision to other plugins."""
    told = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if not config.getoption("unit") or told.suffix != ".py" or not told.exists():
        return None
    return bool(ON_SERVERS.search(told.read_text())) or None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute the tests (``--dist loadscope``): the first process begins with the first folder, and the others with
    the last.

    So all processes end at about the same time. The first folders have the tests of faults, which mostly wait; the last
    ones have the services, the simulation and the journeys, which mostly compute: three processes keep two cores busy.
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
    """The tests of one service play all the others, so their market has only that service, or those of a
    :data:`FAMILY`; elsewhere it has all services.

    All modules of a folder share it: tests make their own organisations and things in it.
    """
    parts = request.path.parts
    if "services" not in parts:
        return await markets.of(())
    service = parts[parts.index("services") + 1]
    return await markets.of(FAMILY if service in FAMILY else (service,))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests that use the servers or the real data; the others are the quick part."""
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
