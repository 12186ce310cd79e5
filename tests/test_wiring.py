"""The reactions of the services agree with the table of topics."""

import re

import msgspec
import pytest

from events import decode
from events.topics import DEAD_LETTERS, TOPICS
from infra.runtime import load
from infra.service import Service
from services.contracts.domain.deals import PARTIES
from services.fulfilment.pages.work import DUE
from services.notifications.duties import ON_CONTRACTS, STEPS, asked
from services.notifications.letters import words_of
from tests.events.test_contract import EXAMPLES, golden
from tests.market import unconnected


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> list[Service]:
    return load(unconnected(tmp_path_factory.mktemp("home")))


def test_consumers_of_the_table_are_those_that_listen(services: list[Service]) -> None:
    listening = {
        service.name: {
            event.TOPIC
            for reactions in (service.reactions, *(view.reactions for view in service.views))
            for event in reactions
        }
        for service in services
    }
    table = {service.name: {row.name for row in TOPICS if service.name in row.consumers} for service in services}
    assert listening == table


def test_producers_of_the_table_have_an_outbox(services: list[Service]) -> None:
    with_outbox = {service.name for service in services if service.metadata is not None}
    assert {name for row in TOPICS if row.name != DEAD_LETTERS for name in row.producers} <= with_outbox


EXAMPLE = {"step": "supplier-offer", "next_step": "buyer-draft", "by": "buyer"}
"""Values for fields that the golden examples leave open."""


def test_what_a_letter_asks_for_is_done_by_a_form_of_the_contracts_page_and_said_in_words() -> None:
    events = [decode(value, headers).event for value, headers, _ in map(golden, EXAMPLES)]
    duties = []
    for event in (each for each in events if isinstance(each, ON_CONTRACTS)):
        words = {name: word for name, word in EXAMPLE.items() if name in event.__struct_fields__}
        duties.append(asked(msgspec.structs.replace(event, **words)))
    forms = {re.sub(r"\d+", "{}", each.form) for each in duties if each and each.form}
    assert forms and forms <= {form for _, form in DUE.values()}
    assert STEPS == PARTIES
    said = {each.what for each in duties if each} | STEPS.keys() | {"purchase-request"}
    assert said == words_of("en")["duty"].keys()


def test_names_of_views_and_timers_are_unique(services: list[Service]) -> None:
    for names in (
        [view.name for service in services for view in service.views],
        [f"{service.name} {timer.name}" for service in services for timer in service.timers],
    ):
        assert len(names) == len(set(names))
