from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from html import unescape
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from catalogue.rules import RuleBroken
from events.recommender import Recommendation
from services.notifications.domain import (
    AT_MOST,
    LANGUAGES,
    PATIENT,
    TURNS,
    URGENT,
    USUAL,
    LetterDuty,
    Preferences,
    choose,
    gathered_until,
    retry_after,
    slot,
)
from services.notifications.letters import CombinedLetter, Digest, DutyLetter, message_id, mime, sender, words_of
from services.notifications.links import BadLink, Links

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
LINKS = Links("secret", "https://market.example")


def an_item(number: int = 1, **changes: object) -> Recommendation:
    usual = {
        "kind": "auction",
        "opportunity_id": f"o{number}",
        "title": f"Paper {number}",
        "buyer_name": "City <Hall>",
        "path": f"/auctions/o{number}",
        "closes_at": NOW + timedelta(hours=3),
        "amount": "1234.50",
        "currency": "RUB",
        "score": 1.0 / number,
        "reasons": ["You won paper in Moscow"],
    }
    return msgspec.convert(msgspec.to_builtins(usual | changes), Recommendation)


def a_digest(**changes: object) -> Digest:
    usual = {
        "letter_id": "d1",
        "member_id": "m1",
        "organisation_id": "s1",
        "period": "daily",
        "name": "Анна",
        "organisation": "Бумага & Co",
        "email": "anna@supplies.example",
        "language": "ru",
        "zone": "Europe/Moscow",
        "items": (an_item(1), an_item(2, kind="pool")),
        "claimed_at": NOW,
    }
    return Digest(**(usual | changes))  # type: ignore[arg-type]


def written(language: str, hour: int) -> str:
    """A day in November 2026, in the reader's time zone and in the form of the language."""
    day = {"en": "2026-11-22", "es": "22 nov 2026", "ru": "22 нояб. 2026\u202fг."}[language]
    return f"{day} {hour}:00 (Europe/Moscow)"


@pytest.mark.parametrize(
    ("preferences", "zone", "due"),
    [
        (Preferences(hour=8), "UTC", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (Preferences(hour=18), "Europe/Moscow", datetime(2026, 11, 22, 15, tzinfo=UTC)),
        (Preferences(hour=12), "UTC", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        (Preferences(period="weekly", hour=8), "America/Bogota", datetime(2026, 11, 23, 13, tzinfo=UTC)),
        (Preferences(period="weekly", hour=8), "Asia/Tokyo", datetime(2026, 11, 22, 23, tzinfo=UTC)),
    ],
)
def test_the_next_digest_is_at_the_members_hour_in_its_zone(preferences: Preferences, zone: str, due: datetime) -> None:
    assert preferences.next_after(NOW, zone) == due


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 23),
    st.sampled_from(["daily", "weekly"]),
    st.sampled_from(["UTC", "America/Santiago", "Europe/Madrid", "Pacific/Chatham"]),
)
def test_hours_come_one_after_the_other_each_in_a_slot_of_its_own(
    at: datetime, hour: int, period: str, zone: str
) -> None:
    preferences = Preferences(period=period, hour=hour)
    first = preferences.next_after(at, zone)
    second = preferences.next_after(first, zone)
    assert at < first < second <= first + timedelta(days=7 if period == "weekly" else 1, hours=1)
    assert slot(period, first, zone) != slot(period, second, zone)


@pytest.mark.parametrize("wrong", [{"period": "hourly"}, {"hour": 24}, {"topics": ("gossip",)}])
def test_preferences_that_break_a_rule_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RuleBroken):
        msgspec.structs.replace(Preferences(), **wrong).check()


def test_the_best_that_are_open_and_new_are_chosen() -> None:
    items = [an_item(number) for number in range(1, 15)]
    items += [an_item(1), an_item(99, score=5.0, closes_at=NOW)]
    chosen = choose(items, {"o2"}, NOW)
    assert [each.opportunity_id for each in chosen] == [f"o{number}" for number in (1, *range(3, 12))]
    assert len(chosen) == AT_MOST


def test_retries_double_up_to_an_hour() -> None:
    assert [retry_after(n) for n in (1, 2, 9, 99)] == [
        timedelta(seconds=30),
        timedelta(minutes=1),
        timedelta(hours=1),
        timedelta(hours=1),
    ]


def test_a_link_names_member_and_topic_and_a_changed_link_is_refused() -> None:
    token = LINKS.token("m1", "digest")
    assert LINKS.read(token) == ("m1", "digest")
    for wrong in (
        token[:-1],
        "A" + token[1:],
        "",
        "ы",
        Links("other", "").token("m1", "digest"),
        LINKS.token("m", "x"),
    ):
        with pytest.raises(BadLink):
            LINKS.read(wrong)


def test_every_attempt_has_the_same_bytes() -> None:
    first, again = (mime(a_digest(), LINKS, "lonja@market.example", "https://market.example") for _ in range(2))
    assert first == again
    assert max(len(line) for line in first.split(b"\r\n")) < 998


@pytest.mark.parametrize(
    ("language", "subject", "why"),
    [
        ("en", "New opportunities for Бумага & Co: 2", "Why you got this"),
        ("es", "Nuevas oportunidades para Бумага & Co: 2", "Por qué la recibe"),
        ("ru", "Новые возможности для Бумага & Co: 2", "Почему мы об этом пишем"),
    ],
)
def test_a_letter_has_both_parts_in_the_readers_language_and_can_be_left(language: str, subject: str, why: str) -> None:
    digest = a_digest(language=language)
    raw = mime(digest, LINKS, "lonja@market.example", "https://market.example")
    mail = message_from_bytes(raw, _class=EmailMessage, policy=modern)
    assert mail["Subject"] == subject
    assert mail["Message-ID"] == message_id(digest, "lonja@market.example") == "<digest.d1@market.example>"
    assert mail["List-Unsubscribe"] == f"<https://market.example/unsubscribe/{LINKS.token('m1', 'digest')}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None and html is not None
    for part in (text.get_content(), html.get_content()):
        assert why in part and "https://market.example/auctions/o1" in part and "/unsubscribe/" in part
        assert written(language, 18) in part and "You won paper in Moscow" in part
    assert "City <Hall>" in text.get_content() and "City &lt;Hall&gt;" in html.get_content()


@pytest.mark.parametrize(
    ("smtp", "public", "address"),
    [
        ("smtp://127.0.0.1:25", "http://127.0.0.1:8000", "lonja@localhost"),
        ("smtp://mail:25", "https://market.example", "lonja@market.example"),
        ("smtps://post%40market.example:x@mail", "https://elsewhere.example", "post@market.example"),
    ],
)
def test_letters_come_from_the_account_or_the_markets_host(smtp: str, public: str, address: str) -> None:
    assert sender(smtp, public) == address


def a_duty_letter(what: str, language: str, due_at: datetime | None = NOW) -> DutyLetter:
    duty = LetterDuty(
        party="supplier",
        what=what,
        organisation_id="s1",
        partner="City <Hall>",
        title="Paper & pens",
        path="/contracts/c1",
        due_at=due_at,
    )
    same = {name: getattr(a_digest(), name) for name in Digest.__struct_fields__ if name not in ("items", "period")}
    return DutyLetter(**{**same, "language": language}, duty=duty)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", words_of("en")["duty"])
def test_a_duty_says_what_to_do_by_when_and_what_follows_otherwise(what: str, language: str) -> None:
    told = a_duty_letter(what, language)
    raw = mime(told, LINKS, "lonja@market.example", "https://market.example")
    assert raw == mime(told, LINKS, "lonja@market.example", "https://market.example")
    mail = message_from_bytes(raw, _class=EmailMessage, policy=modern)
    assert mail["Subject"].endswith(": Paper & pens") and mail["Message-ID"] == "<duties.d1@market.example>"
    assert mail["List-Unsubscribe"] == f"<https://market.example/unsubscribe/{LINKS.token('m1', 'duties')}>"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None and html is not None
    for part in (text.get_content(), html.get_content()):
        assert "https://market.example/contracts/c1" in part and written(language, 15) in part
        assert "{" not in part
    assert "Бумага & Co" in text.get_content() and "City &lt;Hall&gt;" in html.get_content()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("what", words_of("en")["duty"])
def test_a_list_shows_the_first_and_says_how_many_more_there_are(what: str, language: str) -> None:
    one = a_duty_letter(what, language)
    duties = tuple(
        structs.replace(one.duty, title=f"Paper <{number}>", path=f"/contracts/c{number}") for number in range(25)
    )
    told = structs.replace(CombinedLetter.of(one, "l1", 25, NOW), duties=duties)
    raw = mime(told, LINKS, "lonja@market.example", "https://market.example")
    assert raw == mime(told, LINKS, "lonja@market.example", "https://market.example")
    mail = message_from_bytes(raw, _class=EmailMessage, policy=modern)
    assert "25" in mail["Subject"] and mail["Message-ID"] == "<duties.l1@market.example>"
    assert mail["List-Unsubscribe"] == f"<https://market.example/unsubscribe/{LINKS.token('m1', 'duties')}>"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None and html is not None
    for part in (text.get_content(), html.get_content()):
        assert "https://market.example/contracts/c19" in part and "/contracts/c20" not in part
        assert words_of(language)["more"].format(count=5) in part and written(language, 15) in part
        assert words_of(language)["duty"][what]["otherwise"] in unescape(part) and "{" not in part
        assert "https://market.example/contracts" in part.replace("https://market.example/contracts/", "")
    assert "Paper <3>" in text.get_content() and "Paper &lt;3&gt;" in html.get_content()
    few = structs.replace(told, duties=duties[:20], count=20)
    whole = mime(few, LINKS, "lonja@market.example", "https://market.example").decode()
    assert "market.example/contracts/" in whole and "https://market.example/contracts\r\n" not in whole


def test_gathered_duties_are_mailed_in_time() -> None:
    since, soon = NOW - timedelta(minutes=4), NOW + timedelta(minutes=8)
    assert gathered_until(since, NOW, None) == NOW + timedelta(minutes=6)
    assert gathered_until(since, NOW, NOW + timedelta(days=1)) == NOW + timedelta(minutes=6)
    assert gathered_until(since, NOW, soon) == NOW + timedelta(minutes=2)
    assert gathered_until(since, NOW, NOW - timedelta(minutes=1)) == NOW


def test_no_urgency_is_starved_by_the_others() -> None:
    assert all(set(order) == {URGENT, USUAL, PATIENT} for order in TURNS)
    assert sorted(order[0] for order in TURNS) == [URGENT, URGENT, USUAL, PATIENT]


def test_letters_of_all_languages_say_the_same_things() -> None:
    def names(words: dict[str, Any]) -> set[str]:
        return {
            f"{key}.{name}" for key, part in words.items() for name in (names(part) if isinstance(part, dict) else [""])
        }

    assert names(words_of("en")) == names(words_of("es")) == names(words_of("ru"))


def test_a_duty_stands_until_its_end() -> None:
    letter = a_duty_letter("buyer-draft", "en")
    assert [letter.stands(NOW - timedelta(seconds=1)), letter.stands(NOW)] == [True, False]
    assert a_duty_letter("next-bidder", "en", None).stands(NOW)
