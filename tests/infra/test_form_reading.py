"""The message of a form about a wrong text, by the type of the field."""

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from events.bounds import Count, Instant, Minutes, Packs, Percent
from infra.web.forms import CHOSEN, NotFitting, read_form, text_in
from infra.web.languages import speaking

WHOLE, NUMBER, DAY = "must be a whole number", "must be a number, such as 12.50", "must be a date, such as 2027-01-31"
CHOICE, OTHER = "must be one of the choices", "is not in the right form"


class Said(Enum):
    """Choices whose values contain the names of other types."""

    UPDATE = "update"
    PRINT = "print"


def read(kind: Any, text: str) -> tuple[Any, str]:
    """(value, "") or (None, the message about the text)."""
    form, errors = read_form({"field": text}, msgspec.defstruct("Form", [("field", kind)]))
    return getattr(form, "field", None), errors.get("field", "")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Count, "abc", WHOLE),
        (Count, "1,200", WHOLE),
        (Count, "1_0", WHOLE),
        (Count, "2027-01-31", WHOLE),
        (Count, "-1", "must be at least 0"),
        (Count, "1000001", "must be at most 1\u202f000\u202f000"),
        (Count, "9" * 400, "must be at most 1\u202f000\u202f000"),
        (Count | None, "abc", WHOLE),
        (Count | None, "-1", "must be at least 0"),
        (Annotated[int, Meta(gt=0, lt=5)], "0", "must be at least 1"),
        (Annotated[int, Meta(gt=0, lt=5)], "5", "must be at most 4"),
        (int, "abc", WHOLE),
        (Annotated[Minutes, CHOSEN], "abc", CHOICE),
        (Annotated[Minutes, CHOSEN], "-1", CHOICE),
        (Annotated[Minutes, CHOSEN] | None, "-1", CHOICE),
        (Literal["relevance", "price"], "abc", CHOICE),
        (Annotated[str, Meta(max_length=3, min_length=2)], "abcd", "must have at most 3 characters"),
        (Annotated[str, Meta(max_length=3, min_length=2)], "a", "is too short"),
        (Annotated[str, Meta(max_length=3)] | None, "abcd", "must have at most 3 characters"),
        (Annotated[str, Meta(pattern="^a$")], "b", OTHER),
        (date, "2027-02-30", DAY),
        (date, "12345-01-01", "must lie within 10 years"),
        (date | None, "tomorrow", DAY),
        (Instant, "2027-01-31", DAY),
        (Decimal, "abc", NUMBER),
        (Packs | None, "abc", NUMBER),
        (Packs, "1,200", "could mean 1200 or 1.2: write it in one of these ways"),
        (Packs, "1_0", "is not a number"),
        (Packs, "NaN", "is not a finite number"),
        (Packs, "9" * 13, "must be at most 1\u202f000\u202f000\u202f000\u202f000"),
        (Percent, "101", "must lie between 0 and 100"),
        (bool, "maybe", OTHER),
        (tuple[str, ...], "abc", OTHER),
    ],
)
def test_each_field_says_what_it_takes(kind: Any, text: str, said: str) -> None:
    assert read(kind, text) == (None, said)


@pytest.mark.parametrize("kind", [Literal["update", "print"], Said, Literal["Decimal"] | None])
def test_a_choice_among_words_is_no_date_and_no_number_whatever_the_words_are(kind: Any) -> None:
    assert read(kind, "1 0") == read(kind, "12345-01-01") == (None, CHOICE)


def test_the_words_of_a_choice_are_read_as_they_are() -> None:
    assert read(Said, "print") == (Said.PRINT, "")
    assert read(Literal["Decimal", "a,b"], "a,b") == ("a,b", "")


def test_a_field_with_a_note_is_read_as_one_without() -> None:
    noted = Annotated[bool, Meta(description="Whether it is so.")]
    assert read(noted, "on") == (True, "") and read(noted, "") == (False, "")
    assert read(Annotated[Packs, Meta(description="How many.")] | None, "1 234,5") == (Decimal("1234.5"), "")


def test_it_is_said_in_the_language_of_the_reader() -> None:
    with speaking("es"):
        assert read(Count, "abc")[1] == "debe ser un número entero"
    with speaking("ru"):
        assert "1\u202f000\u202f000" in read(Count, "1000001")[1]


def test_the_error_of_a_text_does_not_depend_on_the_words_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.bounds._SAID", ())
    with pytest.raises(NotFitting, match="more than 4\u202f000 characters") as wrong:
        text_in({"reason": "x" * 4_001}, "reason")
    assert (wrong.value.code, wrong.value.field) == ("too-long", "reason")
    assert text_in({"reason": "x" * 4_000}, "reason") == "x" * 4_000
