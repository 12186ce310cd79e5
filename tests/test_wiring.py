"""What the services say of themselves agrees with the one table of topics."""

import pytest

from events.topics import DEAD_LETTERS, TOPICS
from infra.runtime import load
from infra.service import Service
from tests.market import unconnected


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> list[Service]:
    return load(unconnected(tmp_path_factory.mktemp("home")))


def test_consumers_of_the_table_are_those_that_listen(services: list[Service]) -> None:
    listening = {
        service.name: {
            event.TOPIC
            for handlers in (service.handlers, *(view.handlers for view in service.views))
            for event in handlers
        }
        for service in services
    }
    table = {service.name: {row.name for row in TOPICS if service.name in row.consumers} for service in services}
    assert listening == table


def test_producers_of_the_table_have_an_outbox(services: list[Service]) -> None:
    with_outbox = {service.name for service in services if service.metadata is not None}
    assert {name for row in TOPICS if row.name != DEAD_LETTERS for name in row.producers} <= with_outbox


def test_names_of_views_and_timers_are_unique(services: list[Service]) -> None:
    for names in (
        [view.name for service in services for view in service.views],
        [f"{service.name} {timer.name}" for service in services for timer in service.timers],
    ):
        assert len(names) == len(set(names))
