"""The wire contract: golden examples, generated documents, and CloudEvents of other programs."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

import events
from events import Envelope, MalformedEvent, UnknownEvent, UnknownVersion, decode, documents, encode, registry
from events.auctions import BidAccepted
from events.codec import type_in
from events.contracts import ContractDrafted
from events.imports import ProcessImported
from events.topics import SERVICES, TOPICS, topic

EXAMPLES = sorted((documents.FOLDER / "examples").glob("*.json"))
BID = BidAccepted(
    auction_id="a1",
    sequence=3,
    participant=2,
    amount=Decimal("99.50"),
    arrived_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    closes_at=datetime(2026, 11, 22, 9, 35, tzinfo=UTC),
    extended=True,
)
ENVELOPE = Envelope(
    id="e1",
    type=BID.TYPE,
    source="/auctions",
    subject="a1",
    time=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    correlationid="c1",
    causationid="e0",
)


def golden(path: Path) -> tuple[bytes, list[tuple[str, bytes]], dict[str, Any]]:
    message = json.loads(path.read_text(encoding="utf-8"))
    return (
        json.dumps(message["data"]).encode(),
        [(k, v.encode()) for k, v in message["headers"].items()],
        message["data"],
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_message_ever_published_decodes_and_fits_its_schema(path: Path) -> None:
    value, headers, data = golden(path)
    message = decode(value, headers)
    assert message.event.subject == message.envelope.subject
    validator = jsonschema.Draft202012Validator(documents.schema(registry()[message.envelope.type]))
    validator.validate(data)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({})


def test_every_event_has_a_golden_example() -> None:
    assert documents.missing_examples() == {}, "run make schemas and look at the new examples"


def test_generated_documents_are_checked_in() -> None:
    stale = [
        path.name
        for path, text in documents.documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run make schemas"


def test_unknown_fields_are_ignored() -> None:
    data = json.loads(msgspec.json.encode(BID)) | {"added_later": 1}
    assert decode(json.dumps(data).encode(), ENVELOPE.headers()).event == BID


def test_a_message_of_an_older_version_comes_as_the_newest() -> None:
    _, headers, data = golden(documents.FOLDER / "examples" / "lonja.contracts.ContractDrafted.v1.json")
    told = decode(json.dumps(data | {"equivalents": True}).encode(), headers).event
    assert isinstance(told, ContractDrafted) and told.equivalents_allowed
    assert msgspec.json.decode(msgspec.json.encode(told)) == data | {
        "kind": "",
        "security_due": "0",
        "equivalents_allowed": True,
    }


def test_a_former_event_about_one_process_becomes_a_pack_of_one() -> None:
    value, headers, data = golden(documents.FOLDER / "examples" / "lonja.imports.ProcessImported.v1.json")
    message = decode(value, headers)
    assert isinstance(message.event, ProcessImported) and message.pieces() == []
    (process,) = message.event.processes
    assert msgspec.json.decode(msgspec.json.encode(process)) == data


def test_a_pack_has_a_part_for_each_process_with_an_id_of_its_own() -> None:
    _, headers, data = golden(documents.FOLDER / "examples" / "lonja.imports.ProcessImported.v2.json")
    told = json.dumps(data | {"processes": [data["processes"][0] | {"process_id": each} for each in "abc"]}).encode()
    message = decode(told, headers)
    parts = [decode(value, part) for _, value, part in (encode(each.envelope, each.event) for each in message.pieces())]
    assert [part.envelope.id for part in parts] == [f"{message.envelope.id}#{number}" for number in range(3)]
    assert {part.envelope.subject for part in parts} == {message.envelope.subject}
    found = [part.event for part in parts if isinstance(part.event, ProcessImported)]
    assert [[each.process_id for each in event.processes] for event in found] == [["a"], ["b"], ["c"]]
    assert all(part.pieces() == [] for part in parts)


def of_type(name: str) -> list[tuple[str, bytes]]:
    return [(key, name.encode() if key == "ce_type" else value) for key, value in ENVELOPE.headers()]


def test_a_later_version_is_no_malformed_event() -> None:
    with pytest.raises(UnknownVersion, match="up to version 1, and this is version 99"):
        decode(b"{}", of_type("lonja.auctions.BidAccepted.v99"))


@pytest.mark.parametrize(
    "name", ["lonja.auctions.Stranger.v1", "lonja.auctions.BidAccepted.v0", "lonja.auctions.BidAccepted", "v9"]
)
def test_a_type_that_no_release_can_know_is_refused(name: str) -> None:
    with pytest.raises(UnknownEvent):
        decode(b"{}", of_type(name))


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_specversion"])
def test_missing_attribute_is_named(missing: str) -> None:
    headers = [(name, value) for name, value in ENVELOPE.headers() if name != missing]
    with pytest.raises(MalformedEvent, match=missing):
        decode(b"{}", headers)


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time", "ce_correlationid", "another"])
def test_a_header_without_a_value_is_one_that_is_missing(name: str) -> None:
    headers = [(key, None if key == name else value) for key, value in [*ENVELOPE.headers(), ("another", b"1")]]
    assert type_in(headers) == (None if name == "ce_type" else BID.TYPE)
    if name in ("ce_correlationid", "another"):
        assert decode(encode(ENVELOPE, BID)[1], headers).event == BID
    else:
        with pytest.raises(MalformedEvent, match=name):
            decode(b"{}", headers)


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b'{"auction_id": 1}', b'{"auction_id": "\xff"}', b'{"auction_id": "\\ud800"}', None]
)
def test_bytes_that_are_no_event_are_refused(value: bytes | None) -> None:
    with pytest.raises(MalformedEvent):
        decode(value, ENVELOPE.headers())


def test_every_fault_of_bytes_raises_malformed_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(event: BidAccepted) -> BidAccepted:
        raise KeyError("no such field before")

    monkeypatch.setattr(BidAccepted, "upcast", fails)
    with pytest.raises(MalformedEvent, match="no such field before"):
        decode(encode(ENVELOPE, BID)[1], ENVELOPE.headers())


def test_the_cloudevents_sdk_reads_our_messages() -> None:
    key, value, headers = encode(ENVELOPE, BID)
    theirs = from_binary(KafkaMessage(headers=dict(headers), key=key, value=value), JSONFormat(), CloudEvent)
    assert (theirs.get_id(), theirs.get_type(), theirs.get_subject()) == ("e1", BID.TYPE, "a1")
    assert theirs.get_extension("correlationid") == "c1"
    assert theirs.get_data()["amount"] == "99.50"


def test_we_read_the_cloudevents_sdk() -> None:
    attributes = {
        "id": "e1",
        "source": "/auctions",
        "type": BID.TYPE,
        "subject": "a1",
        "time": datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        "datacontenttype": "application/json",
        "correlationid": "c1",
        "causationid": "e0",
    }
    theirs = to_binary(CloudEvent(attributes, json.loads(msgspec.json.encode(BID))), JSONFormat())
    message = decode(theirs.value, list(theirs.headers.items()))
    assert message.event == BID
    assert message.envelope == ENVELOPE


def test_every_event_lives_in_a_topic_that_its_service_produces() -> None:
    for event in registry().values():
        assert topic(event.TOPIC).bulk or event.TOPIC.removeprefix("lonja.") in topic(event.TOPIC).producers


def test_no_topic_is_an_orphan() -> None:
    used = {event.TOPIC for event in registry().values()} | {events.topics.DEAD_LETTERS}
    assert {row.name for row in TOPICS} == used
    services = {*SERVICES, "portal"}
    for row in TOPICS:
        if row.name != events.topics.DEAD_LETTERS:
            assert set(row.producers) <= services
            assert set(row.consumers) <= services


def test_a_topic_that_is_not_in_the_table_does_not_exist() -> None:
    with pytest.raises(KeyError, match="events/topics.py"):
        topic("lonja.nothing")
