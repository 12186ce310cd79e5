"""Releases of this market: valid, anonymous, and one record when merged."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from official import faults, validators

from services.transparency.ocds import outgoing
from services.transparency.ocds.merging import merge
from services.transparency.ocds.publication import package, record_package
from tests.services.transparency.builders import OPENS, Story, with_all_roles

_encoder = msgspec.json.Encoder(decimal_format="number")


def plain(value: Any) -> Any:
    """The value as JSON, as a reader gets it."""
    return json.loads(_encoder.encode(value))


def releases(story: Story) -> list[dict[str, Any]]:
    """Everything that can be published about one process, in order; with an end before and one after the signature."""
    known = {event.organisation_id: event for event in story.organisations()}
    at = [OPENS + timedelta(hours=hour) for hour in range(9)]
    told = [
        outgoing.tender_opened(story.opened(), at[0], known),
        outgoing.tender_closed(story.closed(), story.disclosed(), at[1], known),
        outgoing.tender_closed(story.closed(won=False), (), at[2], known),
        outgoing.award_made(story.awarded(), at[3], known),
        outgoing.contract_drafted(story.drafted(), at[4], known),
    ]
    lapsed = outgoing.contract_ended(story.ended(), at[5], told)
    told.append(outgoing.contract_concluded(story.concluded(), at[6], known, told))
    terminated = outgoing.contract_ended(story.ended(), at[7], told)
    assert lapsed and terminated
    extended = outgoing.tender_extended(story.process_id, OPENS, OPENS + timedelta(hours=4), at[8])
    return [plain(release) for release in with_all_roles([*told, lapsed, terminated, extended])]


@pytest.mark.parametrize("origin", ["auction", "pool", "purchase"])
def test_every_kind_of_release_is_valid(origin: str, data: Path) -> None:
    release_schema, package_schema, record_schema = validators(data)
    found = releases(Story(origin))
    assert [fault for release in found for fault in faults(release_schema, release)] == []
    assert {tag for release in found for tag in release["tag"]} >= {
        "tender",
        "tenderUpdate",
        "award",
        "contract",
        "contractUpdate",
        "awardCancellation",
        "contractTermination",
    }
    whole = plain(package("http://127.0.0.1:8000", "/ocds/releases", OPENS)) | {"releases": found}
    assert faults(package_schema, whole) == []
    assert faults(record_schema, plain(record_package("http://127.0.0.1:8000", found))) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tag": ["sold"]}, "sold"),
        ({"date": "yesterday"}, "yesterday"),
        ({"tender": {"title": "no id"}}, "'id' is a required property"),
        ({"bids": {"details": [{"id": "1", "status": "won"}]}}, "won"),
        ({"tender": {"id": "1", "lots": [{"title": "no id"}]}}, "'id' is a required property"),
    ],
)
def test_the_validator_refuses_what_is_wrong(change: dict[str, Any], said: str, data: Path) -> None:
    found = faults(validators(data)[0], releases(Story())[0] | change)
    assert any(said in fault for fault in found), found


def test_only_the_winner_is_named_among_the_bidders() -> None:
    story = Story()
    known = {event.organisation_id: event for event in story.organisations()}
    release = plain(outgoing.tender_closed(story.closed(), story.disclosed(), OPENS, known))
    assert story.loser not in json.dumps(release)
    names = [bid["tenderers"][0]["name"] for bid in release["bids"]["details"]]
    assert names == [f"Shop of {story.winner}", "participant 1"]
    assert [bid["rank"] for bid in release["bids"]["details"]] == [1, 2]


def test_an_auction_nobody_won_names_nobody() -> None:
    story = Story()
    bids = [msgspec.structs.replace(bid, rank=None) for bid in story.disclosed()]
    text = json.dumps(plain(outgoing.tender_closed(story.closed(won=False), bids, OPENS, {})))
    assert story.winner not in text
    assert story.loser not in text


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("unsuccessful", "unsuccessful"), ("withdrawn", "cancelled"), ("cancelled", "cancelled")],
)
def test_an_auction_without_a_winner_was_unsuccessful_or_is_cancelled(outcome: str, status: str) -> None:
    closed = Story().closed(won=False, outcome=outcome)
    tender = plain(outgoing.tender_closed(closed, (), OPENS, {}))["tender"]
    assert (tender["status"], tender["lots"][0]["status"]) == (status, status)


def test_items_carry_unit_price_class_and_place() -> None:
    first, second = releases(Story())[0]["tender"]["items"]
    assert first["unit"] == {
        "scheme": "UNCEFACT",
        "id": "H87",
        "name": "piece",
        "value": {"amount": 9.5, "currency": "RUB"},
    }
    assert first["classification"] == {"scheme": "CPV", "id": "30197630", "description": "Printing paper"}
    assert first["deliveryLocations"][0]["geometry"]["coordinates"] == [37.62, 55.75]
    assert second["unit"]["name"].startswith("pack of 2 kilogram")


def test_the_releases_of_a_process_merge_into_one() -> None:
    story = Story()
    record = plain(record_package("http://127.0.0.1:8000", releases(story)[:2] + releases(story)[3:6]))
    compiled = record["records"][0]["compiledRelease"]
    assert compiled["tag"] == ["compiled"]
    assert compiled["tender"]["status"] == "complete"
    assert [lot["status"] for lot in compiled["tender"]["lots"]] == ["complete"]
    assert compiled["contracts"][0]["status"] == "active"
    assert compiled["contracts"][0]["awardID"] == compiled["awards"][0]["id"] == story.award_id
    winner = next(party for party in compiled["parties"] if party["id"] == story.winner)
    assert winner["roles"] == ["supplier", "tenderer"]
    assert winner["identifier"] == {"scheme": "RU-INN", "id": "78", "legalName": f"Shop of {story.winner}"}


def test_in_a_pool_each_member_has_a_lot_of_its_own() -> None:
    story, other = Story("pool"), Story("pool")
    second = msgspec.structs.replace(other.awarded(), process_id=story.process_id)
    merged = merge([outgoing.award_made(event, OPENS, {}) for event in (story.awarded(), second)])
    assert {lot["buyer"]["id"] for lot in merged["tender"]["lots"]} == {story.buyer, other.buyer}
    assert [award["relatedLots"] for award in merged["awards"]] == [[story.award_id], [other.award_id]]


def test_a_pool_and_its_auction_are_one_process() -> None:
    story = Story("pool")
    opened = outgoing.tender_opened(story.opened(auction_id="a", pool_id=story.process_id), OPENS, {})
    closed = outgoing.tender_closed(story.closed(auction_id="a", pool_id=story.process_id), (), OPENS, {})
    assert opened["ocid"] == closed["ocid"] == outgoing.ocid_of(story.process_id)


def test_the_same_event_gives_the_same_release() -> None:
    story, later = Story(), datetime.fromisoformat("2026-11-20T00:00:00Z")
    first, again = (outgoing.award_made(story.awarded(), at, {}) for at in (OPENS, later))
    assert first["id"] == again["id"]


def test_the_end_of_a_contract_that_we_never_published_is_not_ours() -> None:
    assert outgoing.contract_ended(Story().ended(), OPENS, []) is None
