"""Bounds of requests and of events."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import inspect

from events import Envelope, MalformedEvent, bounds, decode, documents, registry
from events.accounts import OrganisationRegistered
from events.auctions import BidAccepted
from events.bounds import check, check_event, check_numbers, fitted, unfit
from events.codec import written
from events.limits import OutOfBounds
from tests.bounded import unbounded

NOW = datetime(2026, 11, 28, tzinfo=UTC)
BOMBS = (
    "1e400000000",
    "-1e400000000",
    "1e-400000000",
    "0e400000000",
    "0e-400000000",
    "NaN",
    "sNaN",
    "Infinity",
    "9" * 100_000,
)


class Part(msgspec.Struct):
    price: bounds.Amount = Decimal(1)
    note: bounds.Text = ""


class Whole(msgspec.Struct):
    name: bounds.Name = "Anna"
    vat: bounds.Percent = Decimal(20)
    at: bounds.Instant | None = None
    on: date | None = None
    parts: bounds.Lines[Part] = ()
    prices: Annotated[dict[bounds.Id, bounds.Amount], msgspec.Meta(max_length=3)] = {}
    degrees: bounds.Latitude = 0.0


def broken(value: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(OutOfBounds) as caught:
        fitted(value, Whole, NOW)
    return caught.value.field, caught.value.code


def test_what_is_in_bounds_comes_through_unchanged() -> None:
    said = {
        "name": "Óscar  Núñez-Ибрагимов 李",
        "vat": "0",
        "at": "2026-12-01T09:00:00+03:00",
        "parts": [{"note": "one\n\ttwo"}],
    }
    found = fitted(said, Whole, NOW)
    assert found.name == said["name"] and found.vat == 0 and found.parts[0].note == "one\n\ttwo"


@pytest.mark.parametrize("written", ["1_5", "٣", " 5 ", "5\n", "１"])
def test_a_number_is_written_as_json_writes_it_and_not_as_python_reads_it(written: str) -> None:
    assert broken({"vat": written}) == ("vat", "not-a-number")
    assert broken({"parts": [{}, {"price": written}]}) == ("parts.1.price", "not-a-number")
    assert broken({"prices": {"1": "1", "2": written}}) == ("prices.2", "not-a-number")
    assert fitted({"name": "1_5", "parts": [{"note": written, "price": "1.50"}]}, Whole, NOW).parts[0].note == written


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_number_that_no_rule_could_compute_with_is_refused_wherever_it_stands(bomb: str) -> None:
    assert broken({"vat": bomb})[0] == "vat"
    assert broken({"parts": [{}, {"price": bomb}]})[0] == "parts.1.price"
    assert broken({"prices": {"a": bomb}})[0] == "prices.a"
    with pytest.raises(OutOfBounds):
        check_numbers(Part(price=Decimal(bomb)), Part)


@pytest.mark.parametrize(
    ("value", "field", "code"),
    [
        ({"vat": "-0.01"}, "vat", "out-of-range"),
        ({"vat": "100.1"}, "vat", "out-of-range"),
        ({"parts": [{"price": "1." + "1" * 21}]}, "parts.0.price", "too-many-decimals"),
        ({"parts": [{}] * 201}, "parts", "too-many"),
        ({"prices": {str(n): "1" for n in range(4)}}, "prices", "too-many"),
        ({"name": "a" * 301}, "name", "too-long"),
        ({"name": "a\x00b"}, "name", "control-character"),
        ({"name": "a\nb"}, "name", "control-character"),
        ({"name": "\u202egnp.exe"}, "name", "control-character"),
        ({"name": "\u200b\u3164"}, "name", "invisible-text"),
        ({"parts": [{"note": "\x1b[2J"}]}, "parts.0.note", "control-character"),
        ({"at": "2026-12-01T09:00:00"}, "at", "no-zone"),
        ({"at": "2037-01-01T00:00:00Z"}, "at", "too-far"),
        ({"at": "1970-01-01T00:00:00Z"}, "at", "too-far"),
        ({"at": "tomorrow"}, "at", "not-a-date"),
        ({"on": "9999-12-31"}, "on", "too-far"),
        ({"degrees": "nan"}, "degrees", "not-finite"),
        ({"degrees": "90.1"}, "degrees", "out-of-range"),
        ({"degrees": -1e300}, "degrees", "out-of-range"),
        ({"vat": "twenty"}, "vat", "not-a-number"),
        ({"parts": {}}, "parts", "wrong-type"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_refused_by_field_and_code(value: dict[str, Any], field: str, code: str) -> None:
    assert broken(value) == (field, code)


def test_instants_are_held_against_the_time_that_is_given() -> None:
    late = Whole(at=NOW + timedelta(days=365 * 9))
    check(late, Whole, NOW)
    with pytest.raises(OutOfBounds, match="10 years"):
        check(late, Whole, NOW - timedelta(days=365 * 2))


BID = BidAccepted(
    auction_id="a1", sequence=3, participant=2, amount=Decimal("99.50"), arrived_at=NOW, closes_at=NOW, extended=True
)  # fmt: skip


def test_an_event_that_consumers_could_not_read_is_not_written() -> None:
    assert msgspec.json.decode(written(BID), type=BidAccepted) == BID
    for amount in BOMBS:
        with pytest.raises(OutOfBounds) as caught:
            written(msgspec.structs.replace(BID, amount=Decimal(amount)))
        assert caught.value.field == "amount"


def test_an_event_with_longer_texts_than_today_is_read_and_what_follows_from_it_is_written() -> None:
    """The former release accepted them."""
    long = OrganisationRegistered(organisation_id="o1", roles=("supplier",), name="n" * 5_000)
    envelope = Envelope(
        id="e", type=long.TYPE, source="/x", subject="o1", time=NOW, correlationid="c", causationid="c"
    )  # fmt: skip
    assert decode(written(long), envelope.headers()).event == long
    with pytest.raises(OutOfBounds) as caught:
        check_event(long, type(long))
    assert (caught.value.field, caught.value.code) == ("name", "too-long")


@pytest.mark.parametrize("data", [{"amount": "NaN"}, {"amount": "1e400000000"}])
def test_an_event_out_of_bounds_that_comes_all_the_same_is_malformed(data: dict[str, Any]) -> None:
    envelope = Envelope(
        id="e", type=BID.TYPE, source="/x", subject="a1", time=NOW, correlationid="c", causationid="c"
    )  # fmt: skip
    value = msgspec.json.encode(msgspec.to_builtins(BID) | data)
    with pytest.raises(MalformedEvent):
        decode(value, envelope.headers())


def test_what_an_older_release_stored_out_of_bounds_can_still_be_read() -> None:
    old = OrganisationRegistered(organisation_id="o1", roles=("supplier",), name="n" * 500_000)
    assert msgspec.json.decode(msgspec.json.encode(old), type=OrganisationRegistered) == old


def test_every_text_list_and_number_of_every_event_is_bounded() -> None:
    assert [field for event in registry().values() for field in unbounded(event)] == []


def planted() -> Iterator[tuple[Any, str]]:
    yield str, "field"
    yield str | None, "field"
    yield Decimal, "field"
    yield Annotated[tuple[str, ...], msgspec.Meta(max_length=3)], "field[]"
    yield tuple[bounds.Id, ...], "field"
    yield list[bounds.Id], "field"
    yield Annotated[dict[bounds.Id, str], msgspec.Meta(max_length=3)], "field{}"
    yield dict[bounds.Id, int], "field"
    yield Any, "field"
    yield msgspec.Raw, "field"
    yield bounds.Lines[msgspec.defstruct("Inner", [("text", str)])], "field[].text"  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "place"), list(planted()))
def test_the_walk_finds_what_has_no_bound(kind: Any, place: str) -> None:
    assert unbounded(msgspec.defstruct("Planted", [("field", kind)])) == [f"Planted.{place}"]


def beyond(kind: inspect.Type, value: Any, extra: dict[str, Any]) -> Iterator[Any]:
    """Values of the kind that are equal to ``value`` except for one text, list or number each."""
    most = extra.get("most")
    match kind:
        case inspect.Metadata():
            yield from beyond(kind.type, value, kind.extra or {})
        case inspect.UnionType():
            for held in kind.types:
                yield from beyond(held, value, extra)
        case inspect.StrType() if most:
            yield "x" * (most + 1)
        case inspect.DecimalType():
            yield Decimal("NaN")
            yield Decimal("1e30")
        case inspect.VarTupleType():
            if value:
                yield value * (most // len(value) + 1)
            for part in beyond(kind.item_type, value[0] if value else None, {}):
                yield (*(value or ()), part)
        case inspect.DictType() if value:
            name, known = next(iter(value.items()))
            for part in beyond(kind.value_type, known, {}):
                yield {**value, name: part}
        case inspect.StructType() if value is not None:
            for field in kind.fields:
                for part in beyond(field.type, getattr(value, field.name), {}):
                    yield msgspec.structs.replace(value, **{field.name: part})


@pytest.mark.parametrize("path", sorted((documents.FOLDER / "examples").glob("*.json")), ids=lambda path: path.stem)
def test_every_bound_of_every_event_is_held(path: Path) -> None:
    told = msgspec.json.decode(path.read_bytes())
    kind = registry()[told["headers"]["ce_type"]]
    event = msgspec.convert(told["data"], kind)
    check_event(event, kind)
    found = list(beyond(inspect.type_info(kind), event, {}))
    assert found
    for broken in found:
        with pytest.raises(OutOfBounds):
            check_event(broken, kind)


def test_a_value_that_looks_like_an_error_message_is_read_once() -> None:
    """In quadratic time this would take hours."""
    value = " - at `" * 140_000
    assert unfit(f"Invalid enum value '{value}'").code == "not-a-choice"
    found = unfit(f"Invalid enum value '{value}' - at `$.lines[0].kind`")
    assert (found.code, found.field) == ("not-a-choice", "lines.0.kind")
    assert unfit("Expected `str` of length <= 3 - at `key` in `$.prices`").field == "prices"
