"""Which dead letters may be sent again."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.deadletters import DeadLetter, TooOld, replay

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

    async def send_and_wait(self, topic: str, **message: object) -> None:
        self.topics.append(topic)


async def test_one_about_a_young_event_is_sent_again_and_noted() -> None:
    kafka = Sent()
    await replay(kafka, a_letter(ce_time=NOW.isoformat()), NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert kafka.topics == ["lonja.auctions", "lonja.dead-letters"]


async def test_one_about_an_event_that_may_be_forgotten_is_refused() -> None:
    kafka = Sent()
    letter = a_letter(ce_time=(NOW - timedelta(days=61)).isoformat())
    with pytest.raises(TooOld, match="dead letter 7"):
        await replay(kafka, letter, NOW - timedelta(days=60))  # type: ignore[arg-type]
    assert kafka.topics == []


@pytest.mark.parametrize("headers", [{}, {"ce_time": "yesterday"}])
def test_one_without_an_instant_was_handled_by_nobody(headers: dict[str, str]) -> None:
    assert not a_letter(**headers).happened_before(NOW)
