"""Releases of contracts that are carried out: valid, without texts of the sides, and one implementation when merged."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from official import faults, validators
from test_transparency_outgoing import plain

from events.contracts import DeliveryAssessed, DeliveryReported
from services.transparency.handlers import reactions
from services.transparency.ocds import outgoing
from services.transparency.ocds.implementation import CARRIED_OUT, carried_out, sides_of
from services.transparency.ocds.merging import merge
from tests.services.transparency.builders import OPENS, Story, with_all_roles


def told(story: Story, events: list[Any] | None = None) -> list[dict[str, Any]]:
    """The release of the signed contract, then one for each event that has a release."""
    known = {event.organisation_id: event for event in story.organisations()}
    found = [
        outgoing.award_made(story.awarded(), OPENS, known),
        outgoing.contract_concluded(story.concluded(), OPENS, known, []),
    ]
    for hours, event in enumerate(events or story.carried_out(), start=1):
        of_event = {number: known[number] for number in sides_of(event)}
        release = carried_out(event, OPENS + timedelta(hours=hours), of_event, found)
        if release is not None:
            found.append(release)
    return with_all_roles(found)


@pytest.mark.parametrize("origin", ["auction", "pool", "purchase"])
def test_every_release_of_it_is_valid(origin: str, data: Path) -> None:
    release_schema, *_ = validators(data)
    found = [plain(release) for release in told(Story(origin))]
    assert [fault for release in found for fault in faults(release_schema, release)] == []
    assert [release["tag"] for release in found[2:4]] == [["implementation"], ["implementationUpdate"]]
    assert found[-1]["tag"] == ["contractTermination"]


def test_merged_they_say_what_was_due_met_and_paid() -> None:
    story = Story()
    merged = plain(merge(told(story)))
    (contract,) = merged["contracts"]
    assert (contract["status"], contract["description"]) == ("terminated", "everything was accepted and paid")
    order, withdrawn, paid = contract["implementation"]["milestones"]
    assert (order["type"], order["status"], order["dateMet"][:10]) == ("delivery", "met", "2026-11-20")
    assert (withdrawn["status"], withdrawn["description"]) == ("notMet", "withdrawn by the supplier")
    assert (paid["type"], paid["status"]) == ("payment", "met")
    (transaction,) = contract["implementation"]["transactions"]
    assert transaction["value"] == {"amount": 1000.0, "currency": "RUB"}
    assert (transaction["payer"]["id"], transaction["payee"]["id"]) == (story.buyer, story.winner)
    roles = {party["id"]: party["roles"] for party in merged["parties"]}
    assert "payer" in roles[story.buyer] and {"payee", "supplier"} <= set(roles[story.winner])


def test_an_order_goes_from_scheduled_to_late_to_met_in_parts() -> None:
    statuses = [
        milestone["status"]
        for release in told(Story())
        for contract in release.get("contracts", ())
        for milestone in contract.get("implementation", {}).get("milestones", ())
        if milestone["id"] == "order-1"
    ]
    assert statuses == ["scheduled", "notMet", "partiallyMet", "met"]


def test_what_a_dispute_set_aside_is_no_longer_met() -> None:
    story = Story()
    ordered, _, _, met, *_ = story.carried_out()
    refused = msgspec.structs.replace(met, outcome="refused", lines=(), order_met=False)
    merged = merge(told(story, [ordered, met, refused]))
    (order,) = merged["contracts"][0]["implementation"]["milestones"]
    assert order["status"] == "notMet" and "dateMet" not in order


def test_the_sides_words_stay_with_them() -> None:
    text = json.dumps([plain(release) for release in told(Story())])
    assert "Wet" not in text and "INV-77" not in text


def test_a_contract_that_we_never_published_has_no_implementation() -> None:
    assert [carried_out(event, OPENS, {}, []) for event in Story().carried_out()] == [None] * 9


def test_every_event_of_it_is_listened_to() -> None:
    assert set(CARRIED_OUT) <= set(reactions)
    assert DeliveryAssessed in reactions and DeliveryReported not in reactions
