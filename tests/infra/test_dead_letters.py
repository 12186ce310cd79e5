"""Dead letters: which may be sent again, and to which reader."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord, TopicPartition
from msgspec.structs import replace
from typer.testing import CliRunner

from infra import deadletters
from infra.cli import dead_letters, doctor
from infra.deadletters import DISMISSED, LEFT_OUT, REPLAYED, DeadLetter, DeadLetterUnreadable, Follower, TooOld, replay

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def a_letter(**headers: str) -> DeadLetter:
    return DeadLetter(
        position=7,
        consumer="contracts",
        topic="lonja.auctions",
        partition=0,
        offset=1,
        type="lonja.auctions.AuctionClosed.v1",
        event_id="id",
        error="",
        traceback="",
        key=b"key",
        value=b"{}",
        headers=[(name, value.encode()) for name, value in headers.items()],
    )


class Sent:
    def __init__(self) -> None:
        self.topics: list[str] = []
        self.messages: list[dict[str, Any]] = []

    async def send_and_wait(self, topic: str, **message: Any) -> None:
        self.topics.append(topic)
        self.messages.append(message)


async def test_a_dead_letter_about_a_recent_event_is_sent_again_and_noted() -> None:
    kafka = Sent()
    await replay(kafka, a_letter(ce_time=NOW.isoformat()), NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert kafka.topics == ["lonja.auctions", "lonja.dead-letters"]


async def test_a_dead_letter_about_an_event_that_may_be_forgotten_is_not_sent() -> None:
    kafka = Sent()
    letter = a_letter(ce_time=(NOW - timedelta(days=61)).isoformat())
    with pytest.raises(TooOld, match="dead letter 7"):
        await replay(kafka, letter, NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert kafka.topics == []


async def test_a_dead_letter_that_a_person_gave_up_is_not_sent() -> None:
    """If it were sent again, it would block each partition again."""
    kafka = Sent()
    letter = replace(a_letter(ce_time=NOW.isoformat()), type="lonja.auctions.AuctionClosed.v99")
    with pytest.raises(DeadLetterUnreadable, match="dead letter 7"):
        await replay(kafka, letter, NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert kafka.topics == []
    for type_ in ("lonja.auctions.AuctionClosed.v1", "lonja.auctions.Nothing.v99", "?", ""):
        assert not replace(letter, type=type_).waits_for_a_newer_release


@pytest.mark.parametrize("headers", [{}, {"ce_time": "yesterday"}, {"ce_time": "2020-01-01T00:00:00"}])
def test_a_dead_letter_without_an_instant_was_not_handled(headers: dict[str, str]) -> None:
    assert not a_letter(**headers).happened_before(NOW)


def test_a_dead_letter_whose_instant_has_no_value_was_not_handled() -> None:
    letter = a_letter()
    letter.headers.append(("ce_time", None))
    assert not letter.happened_before(NOW)


# The reader of a letter that is sent again


@pytest.mark.parametrize(
    ("view", "taken_by"),
    [
        ("", [("contracts", "")]),
        ("figures", [("contracts", "figures")]),
        (None, [("contracts", ""), ("contracts", "figures"), ("contracts", "others")]),  # a letter of a former release
    ],
)
async def test_a_dead_letter_goes_only_to_the_reader_that_failed(
    view: str | None, taken_by: list[tuple[str, str]]
) -> None:
    kafka = Sent()
    record = a_record(1, [("ce_time", NOW.isoformat().encode())], topic="lonja.auctions")
    await deadletters.make_dead_letter(kafka, "contracts", record, ValueError("no such row"), view=view or "")  # type: ignore[arg-type]
    kept = [each for each in kafka.messages[0]["headers"] if view is not None or each[0] != "lonja_view"]
    letter = deadletters._letter(a_record(0, kept))
    await replay(kafka, letter, NOW - timedelta(days=60))  # type: ignore[arg-type]
    again = kafka.messages[1]["headers"]
    readers = [(service, view) for service in ("contracts", "pools") for view in ("", "figures", "others")]
    assert [reader for reader in readers if deadletters.is_for(*reader, again)] == taken_by
    assert all(deadletters.is_for(*reader, record.headers) for reader in readers)
    # a service that took over work of contracts since the former release
    assert deadletters.is_for("purchases", "", again) is (view != "figures")
    # it fails there again, and is sent again
    await deadletters.make_dead_letter(
        kafka, "contracts", a_record(2, again, topic="lonja.auctions"), ValueError(), view="others"
    )  # type: ignore[arg-type]
    await replay(kafka, deadletters._letter(a_record(3, kafka.messages[3]["headers"])), NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert [r for r in readers if deadletters.is_for(*r, kafka.messages[4]["headers"])] == [("contracts", "others")]


async def test_a_dead_letter_is_shown_with_the_reader_to_which_a_replay_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers of one service fail on the same message and have one letter each: replaying the wrong letter does not
    help."""

    def letter(number: int, view: bytes | None) -> ConsumerRecord:
        named = [] if view is None else [("lonja_view", view)]
        return a_record(number, [("lonja_consumer", b"observatory"), ("ce_type", b"odd"), *named])

    records = [letter(0, b""), letter(1, b"references"), letter(2, None), a_record(3, [])]
    readers = ["observatory", "observatory/references", "observatory/*", ""]
    views = ["", "references", "*", "*"]

    async def read(*_: object) -> list[DeadLetter]:
        return [deadletters._letter(each) for each in records]

    async def read_one_by_one(*_: object) -> AsyncIterator[DeadLetter]:
        for each in records[:2]:
            yield deadletters._letter(each)

    monkeypatch.setattr(dead_letters, "_read", read)
    monkeypatch.setattr(deadletters, "read", read_one_by_one)

    def said(*command: str) -> str:
        result = CliRunner().invoke(dead_letters.app, list(command))
        assert result.exit_code == 0, result.output
        return result.stdout

    listed = json.loads(await asyncio.to_thread(said, "list", "--json"))
    assert [(each["reader"], each["view"]) for each in listed] == list(zip(readers, views, strict=True))
    assert "observatory/references" in await asyncio.to_thread(said, "list")
    assert "observatory/references" in await asyncio.to_thread(said, "show", "1")
    follower = Follower(Topic(records))  # type: ignore[arg-type]
    assert [each.reader for each in await follower.unsettled(0, 4)] == readers
    assert "observatory/references could not handle odd" in (await doctor._dead_letters("")).found
    assert "for the reader that could not handle it" in " ".join(
        (await asyncio.to_thread(said, "replay", "--help")).split()
    )


# Records of other programs


def a_record(
    offset: int, headers: Sequence[tuple[str, bytes | None]], topic: str = "lonja.dead-letters"
) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, offset, 0, 0, b"key", b"value", None, 3, 5, tuple(headers))


class Topic:
    """The part of a consumer that a follower uses, with the whole topic read at once."""

    def __init__(self, records: Sequence[ConsumerRecord]) -> None:
        self.records = list(records)
        self.at = 0

    def pause(self, *_: TopicPartition) -> None:
        """Only getmany reads, so there is nothing to pause."""

    resume = pause

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def getmany(self, partition: TopicPartition, **_: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
        self.at = self.records[-1].offset + 1
        return {partition: self.records}


async def unsettled(*records: ConsumerRecord) -> list[str]:
    """The consumers of the unsettled letters."""
    follower = Follower(Topic(records))  # type: ignore[arg-type]
    return [each.consumer for each in await follower.unsettled(0, records[-1].offset + 1)]


async def test_a_letter_that_cannot_be_read_hides_no_other() -> None:
    found = await unsettled(
        a_record(0, [("lonja_consumer", None), ("ce_type", None), ("ce_id", None), ("lonja_error", None)]),
        a_record(1, [("lonja_consumer", b"bad numbers"), ("lonja_partition", b"one"), ("lonja_offset", b"9" * 5000)]),
        a_record(2, [("lonja_consumer", b"settled")]),
        a_record(3, [(DISMISSED, b"2")]),
    )
    assert found == ["", "bad numbers"]


@pytest.mark.parametrize("number", [None, b"", b"two", b"\xff", b"9" * 5000])
@pytest.mark.parametrize("note", [REPLAYED, DISMISSED])
async def test_a_note_that_names_no_letter_settles_none(note: str, number: bytes | None) -> None:
    assert await unsettled(a_record(0, [("lonja_consumer", b"pools")]), a_record(1, [(note, number)])) == ["pools", ""]


async def test_a_record_becomes_a_dead_letter_however_odd_its_headers_and_the_error() -> None:
    class Small:
        def __init__(self) -> None:
            self.sent: list[Any] = []

        async def send_and_wait(self, topic: str, **message: Any) -> None:
            if not self.sent:
                self.sent.append(None)
                raise MessageSizeTooLargeError
            self.sent.append(message)

    kafka = Small()
    record = a_record(7, [("ce_type", None), ("ce_id", b"1")], topic="lonja.pools")
    await deadletters.make_dead_letter(kafka, "pools", record, ValueError("\ud800"))  # type: ignore[arg-type]
    headers = dict(kafka.sent[1]["headers"])
    assert headers[LEFT_OUT] == b"" and headers["lonja_error"] == b"ValueError: ?"
