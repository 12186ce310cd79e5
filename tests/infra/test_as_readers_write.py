"""Numbers, dates and instants on every page have the form of the reader's language, also in sentences and refusals."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from catalogue.rules import AnyOf, RuleBroken, Several, Value
from events.values import Number, Refusal
from infra.clock import system_clock
from infra.config import Config
from infra.web.languages import (
    AS_WRITTEN,
    FORMER,
    LANGUAGES,
    PROJECT,
    RENAMED,
    kept_refusal,
    refusal,
    refusal_in_texts,
    refusal_text,
    speaking,
)
from infra.web.pages import engine, share
from tests.infra.test_languages import OTHERS, PAGES, raised

DAY, INSTANT = date(2026, 11, 20), datetime(2026, 11, 20, 10, 4, 7, tzinfo=UTC)
EITHER = AnyOf((Decimal("1234.5"), 2000))
WRITTEN = {
    "en": {
        Decimal("83737.60"): "83\u202f737.60",
        83737: "83\u202f737",
        DAY: "2026-11-20",
        INSTANT: "2026-11-20 10:04:07 UTC",
        EITHER: "1\u202f234.5 or 2\u202f000",
    },
    "es": {
        Decimal("83737.60"): "83\u202f737,60",
        83737: "83\u202f737",
        DAY: "20 nov 2026",
        INSTANT: "20 nov 2026 10:04:07 UTC",
        EITHER: "1\u202f234,5 o 2\u202f000",
    },
    "ru": {
        Decimal("83737.60"): "83\u202f737,60",
        83737: "83\u202f737",
        DAY: "20 нояб. 2026\u202fг.",
        INSTANT: "20 нояб. 2026\u202fг. 10:04:07 UTC",
        EITHER: "1\u202f234,5 или 2\u202f000",
    },
}
VALUES: tuple[Any, ...] = (Decimal("83737.60"), 83737, DAY, INSTANT, EITHER)
KINDS = {Decimal, int, date, str, Several, type(None)}
"""The types of a refusal's values, which mypy checks where refusals are raised; instants are dates."""

WORDS = AS_WRITTEN | {"asked"}
"""Names of values in refusals that are texts of people, codes, or names of units."""


def as_an_event_tells(value: object) -> object:
    return str(value)


def as_raised(value: object) -> object:
    return value


def test_there_is_an_example_of_every_kind_of_value() -> None:
    assert set(get_args(Value)) == KINDS
    assert all(any(isinstance(value, kind) for value in VALUES) for kind in KINDS - {str, type(None)})


@pytest.mark.parametrize("carried", [as_raised, as_an_event_tells])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("value", VALUES, ids=str)
def test_each_refusal_writes_its_values_as_the_reader_does(value: Any, language: str, carried: Any) -> None:
    wrong = []
    published = {f"{value:,}", str(value)} if isinstance(value, int | Decimal) else {str(value)}
    own = WRITTEN[language][value]
    for one in raised():
        names = {name for name in one.numbers if not name.endswith("minutes")} - WORDS  # minutes are lengths
        sentence = "; ".join(form for _ in names for form in published)
        with speaking(language):
            numbers = {name: value if name in names else "…" for name in one.numbers}
            shown = (
                refusal(one.code, sentence, numbers)
                if carried is as_raised
                else refusal_in_texts(one.code, sentence, {name: str(each) for name, each in numbers.items()})
            )
        for form in published - {own}:
            if names and re.search(rf"(?<!\d){re.escape(form)}(?!\d)", shown):
                wrong.append(f"{one.where} {one.code}: {shown}")
        if language == "en" and names and own not in shown:
            wrong.append(f"{one.where} {one.code}: {shown}")
    assert wrong == []


class CheaperThere(RuleBroken):
    code = "never-heard-of"


def test_a_refusal_without_a_translation_has_numbers_as_its_page_does_and_the_rest_as_published() -> None:
    refused = CheaperThere(
        "Participant 2 is cheaper by 83,737.62 RUB than “12,500” on 2026-11-20, in 1000 lines of 30192000-1000; SKU 2000.",
        less=Decimal("83737.62"),
        lines=1000,
        sku="2000",
        day=DAY,
        nothing=None,
    )
    assert refusal_text(refused) == (
        "Participant 2 is cheaper by 83\u202f737.62 RUB than “12,500” on 2026-11-20, in 1\u202f000 lines of 30192000-1000;"
        " SKU 2000."
    )
    with speaking("ru"):
        assert "83\u202f737,62 RUB" in refusal_text(refused) and "20 нояб. 2026" in refusal_text(refused)
    assert refused.message.startswith("Participant 2 is cheaper by 83,737.62 RUB"), "the API tells it as it was"


TYPED = [
    "12345",
    "007",
    "1e9",
    "7707083893",
    "2026-11-20",
    "0001-01-01 00:00+14:00",
    "9999-12-31 23:59-14:00",
    "NaN",
    "1,000",
]
"""Texts that look like numbers, dates and instants; some lie outside the calendar in another zone."""


class Typed(RuleBroken):
    code = "unit-unknown"


@pytest.mark.parametrize("text", TYPED)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_error_repeats_a_typed_value_as_it_was_typed(language: str, text: str) -> None:
    refused = Typed(f"{text!r} is not known.", unit=text, region=text, tax_id=text, whatever=text)
    with speaking(language):
        assert text in refusal_text(refused)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("zone", ["", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("carried", [as_raised, as_an_event_tells])
def test_an_instant_at_the_end_of_the_calendar_can_be_shown(language: str, zone: str, carried: Any) -> None:
    for text in ("0001-01-01 00:00:00+14:00", "9999-12-31 23:59:59-14:00", "9999-12-31 23:59:59+00:00"):
        at = datetime.fromisoformat(text)
        with speaking(language):
            number = Number(name="at", value=text)
            if carried is as_raised:
                assert text[:4].strip("0") in refusal_text(CheaperThere(f"Too far: {text}.", at=at), zone=zone)
            else:
                kept = Refusal(rule="never-heard-of", message=f"Too far: {text}.", numbers=(number,))
                assert text[:4].strip("0") in kept_refusal(kept, zone=zone)


# Templates


@pytest.fixture(scope="module")
def render(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config = Config.load({"LONJA_HOME": str(tmp_path_factory.mktemp("home"))})
    environment = engine(config, system_clock, PROJECT / "services").engine
    return lambda template, **values: environment.from_string(template).render(**values)


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize(
    "template",
    [
        "{{ it }}",
        "{{ _('until %(day)s', day=it) }}",
        "{% trans day=it %}until {{ day }}{% endtrans %}",
        "{% trans num=2, day=it %}{{ num }} until {{ day }}{% pluralize %}{{ num }} until {{ day }}{% endtrans %}",
    ],
)
def test_no_template_can_show_a_raw_date(render: Any, template: str, language: str) -> None:
    with speaking(language):
        for value, own in WRITTEN[language].items():
            if isinstance(value, datetime):
                assert own.replace(":07", "") in render(template, it=value).replace(":07", "")
            elif isinstance(value, date):
                assert own in render(template, it=value)
        if "day" in template:
            assert "0,5" in render(template, it=Decimal("0.5"))


def test_a_field_keeps_its_date_as_browsers_send_it(render: Any) -> None:
    template = "{% from 'forms.html' import field with context %}{{ field('day', 'Day', {'day': it}, type='date') }}"
    with speaking("ru"):
        assert 'value="2026-11-20"' in render(template, it=DAY)


ISO_IN_WORDS = re.compile(r"""strftime\(['"][^'"]*%[Ymd]""")
FOR_MACHINES = re.compile(r"""\b(?:data-[a-z-]+|value|datetime|min|max)=(?:"[^"]*"|'[^']*')""")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_template_writes_no_date_by_itself(path: Path) -> None:
    read = FOR_MACHINES.sub("", path.read_text(encoding="utf-8"))
    assert not ISO_IN_WORDS.search(read) and "isoformat(" not in read


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("100", "100\u202f%"),
        ("12.50", "12.5\u202f%"),
        ("3.14", "3.1\u202f%"),
        ("0.03", "0.03\u202f%"),
        ("0.03333", "0.033\u202f%"),
        ("0.00", "<\u202f0.01\u202f%"),
    ],
)
def test_two_small_shares_are_shown_differently(value: str, written: str) -> None:
    assert share(Decimal(value)) == written
    with speaking("es"):
        assert share(Decimal(value)) == written.replace(".", ",")


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_a_code_that_a_former_release_wrote_into_an_event_is_translated(language: str) -> None:
    with speaking(language):
        for former, now in RENAMED.items():
            rule, _, names = former.partition(": ")
            numbers = tuple(Number(name=name, value="9") for name in names.split(", ") if name)
            if ": " not in former:
                numbers = (Number(name="most", value="9"),)
            told = [kept_refusal(Refusal(rule=code, message="As published.", numbers=numbers)) for code in (rule, now)]
            assert told[0] == told[1] != "As published."
        for former in FORMER:
            rule, _, names = former.partition(": ")
            numbers = tuple(Number(name=name, value="1234.5") for name in names.split(", "))
            assert "234,5" in kept_refusal(Refusal(rule=rule, message="As published.", numbers=numbers))
