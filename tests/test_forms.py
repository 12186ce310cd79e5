"""Every form that makes something new has a request key, so that sending it twice makes only one thing."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader

from catalogue.rules import KeyReused, Minutes, RuleBroken, Several, Typed
from infra.web.forms import errors_of_refusal
from infra.web.languages import gettext, ngettext, refusal_text, speaking
from services.purchases.domain.purchases import PurchaseAboveCeiling

LAYOUT = Path(__file__).parents[1] / "infra/web/templates"
SERVICES = Path(__file__).parents[1] / "services"
CREATING = {
    "accounts/account.html": "/account/keys",
    "accounts/invite.html": "{{ action }}",
    "accounts/register.html": "/register",
    "auctions/_mine.html": "",
    "auctions/_own_amount.html": "",
    "auctions/complaint.html": "",
    "auctions/new.html": "/auctions/new",
    "catalogue/new.html": "/catalogue/new",
    "catalogue/offer.html": "/catalogue/offers/new",
    "purchases/new.html": "/contracts/purchases/new",
    "fulfilment/work_parts.html": "",
    "notifications/settings.html": "/notifications/digest",
    "pools/new.html": "/pools/new",
    "quotes/_mine.html": "",
    "quotes/new.html": "/quotes/new",
}
"""Template → the address of its form; "" if it is written elsewhere."""
AS_NEW = re.compile(r'action="[^"]*(/new|/keys|/register|/complaint|/digest|/purchases)"')
"""The addresses of forms that make something new."""
FORM = re.compile(r"<form method=\"post\"[^>]*>.*?</form>", re.DOTALL)


def templates() -> dict[str, str]:
    return {"/".join(path.parts[-2:]): path.read_text() for path in SERVICES.glob("*/templates/*/*.html")}


def test_the_forms_that_make_something_new_are_these_and_each_has_a_key() -> None:
    keyed = {name: text for name, text in templates().items() if 'name="request_key"' in text}
    assert keyed.keys() - {"auctions/_answer.html"} == CREATING.keys()
    for name, target in CREATING.items():
        assert target in keyed[name], name


def test_no_form_that_goes_where_things_are_made_is_without_a_key() -> None:
    found = [(name, form) for name, text in templates().items() for form in FORM.findall(text) if AS_NEW.search(form)]
    assert len(found) > 5
    all_fields = 'name="{{ name }}" value="{{ value }}"'
    """A form that confirms another one sends its fields, including the key."""
    assert [name for name, form in found if 'name="request_key"' not in form and all_fields not in form] == []


def test_a_refusal_stands_beside_its_field_and_one_that_the_form_has_no_place_for_at_its_head() -> None:
    dear = PurchaseAboveCeiling("Too dear.", field="quantity")
    assert errors_of_refusal(dear, {"quantity": "5"}) == {"quantity": "Too dear."}
    assert (
        errors_of_refusal(dear, {"reason"})
        == errors_of_refusal(PurchaseAboveCeiling("Too dear."), {"quantity"})
        == {"": "Too dear."}
    )


def test_the_error_about_a_used_key_does_not_mention_keys_to_people() -> None:
    for language, words in (("en", "press the button again."), ("es", "pulse el botón"), ("ru", "нажмите кнопку")):
        with speaking(language):
            said = errors_of_refusal(KeyReused(), {"title"})[""]
        assert words in said and not re.search(r"\bkey\b|\bclave\b|ключ", said)


class TooEarly(RuleBroken):
    code = "enrolment-too-short"


def test_the_times_in_a_refusal_are_in_the_time_zone_of_the_form() -> None:
    at = datetime(2026, 11, 29, 12, 25, tzinfo=UTC)
    early = TooEarly(
        "No earlier than 2026-11-29 12:25 UTC (5 working days).", earliest=at, days=5, enrolment_ends_at=at
    )
    assert (
        refusal_text(early, zone="Europe/Moscow")
        == "No earlier than 2026-11-29 15:25 (Europe/Moscow) (5 working days)."
    )
    assert refusal_text(early) == early.message
    with speaking("es"):
        assert "15:25:00 (Europe/Moscow)" in refusal_text(early, zone="Europe/Moscow")


def head_of(errors: dict[str, str]) -> str:
    template = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
    template.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]
    template.loader = FileSystemLoader(LAYOUT)
    return template.from_string('{% from "forms.html" import summary %}{{ summary(errors) }}').render(errors=errors)


def test_the_head_of_a_form_counts_the_fields_to_mend_and_ends_with_one_stop() -> None:
    assert '> Please correct 1 field: <a href="#title-note">go to it</a>.</p>' in head_of({"title": "is required"})
    assert '">Somebody else was first.</p>' in head_of({"": "Somebody else was first."})
    both = head_of({"": "Somebody else was first.", "title": "is required", "price": "is required"})
    assert '">Somebody else was first. Please correct 2 fields: <a href="#title-note">go to the first</a>.</p>' in both


ENTER = {
    "auctions/_autobid.html": 'name="on" value="yes"',
    "auctions/_own_amount.html": "",
    "auctions/new.html": 'name="action" value="refresh"',
    "catalogue/basket.html": "",
    "fulfilment/execution.html": 'name="answer" value="part"',
    "pools/new.html": 'name="do" value="enter"',
    "quotes/new.html": 'name="action" value="enter"',
}
"""Forms with several buttons and a one-line field, with the first button, which browsers press at Enter. It does what
the fields say, or asks again."""
ANY_FORM = re.compile(r"<form\b.*?</form>", re.DOTALL)
ONE_LINE = re.compile(r'<input(?![^>]*type="(?:hidden|checkbox|radio)")|\bfield\(|\btext\(|\bquantities\(')
BUTTON = re.compile(r"<button\b([^>]*)>")


def test_enter_does_what_the_fields_say() -> None:
    pressed = {
        name: [
            buttons[0]
            for form in ANY_FORM.findall(text)
            if len(buttons := BUTTON.findall(form)) > 1 and ONE_LINE.search(form)
        ]
        for name, text in templates().items()
    }
    pressed = {name: found for name, found in pressed.items() if found}
    assert pressed.keys() == ENTER.keys()
    for name, found in pressed.items():
        assert len(found) == 1 and ENTER[name] in found[0], name


def test_enter_never_asks_for_the_fields_of_another_button() -> None:
    """A hidden button that only Enter presses sends the form without validation by the browser."""
    for name, text in templates().items():
        for form in ANY_FORM.findall(text):
            hidden = [each for each in BUTTON.findall(form) if "display:none" in each]
            assert all("formnovalidate" in each or "novalidate" in form.partition(">")[0] for each in hidden), name


AN_ERROR = re.compile(r"<p[^>]*\berror\b[^>]*>")
STANDING = {
    "conduct/appeals.html",
    "conduct/record.html",
    "contracts/refusals.html",
}
"""Templates with an error that is not an answer to a form: a queue is overdue, an organisation is suspended."""


def test_what_is_wrong_with_a_form_is_found_by_the_script_that_shows_it() -> None:
    """It is marked by a role or an id, for which lonja.js searches."""
    hidden = {
        name: [each for each in AN_ERROR.findall(text) if "role=" not in each and "id=" not in each]
        for name, text in templates().items()
    }
    assert {name for name, found in hidden.items() if found} == STANDING
    assert AN_ERROR.findall("<p class=\"{{ 'error' if x }}\">") and AN_ERROR.findall('<p class="error">')


def test_an_error_beside_a_field_of_a_filter_has_a_row_of_its_own() -> None:
    """Between the fields it would move the others."""
    wrong = []
    for path in sorted(SERVICES.rglob("*.html")):
        for toolbar in re.findall(
            r'<(form|div)\b[^>]*class="toolbar\b[^>]*>(.*?)</\1>\s*(?=\n)', path.read_text(), re.DOTALL
        ):
            calls = re.findall(r"\{\{ (?:field|select|note)\(.*?\) \}\}", toolbar[1], re.DOTALL)
            wrong += [f"{path.name}: {each}" for each in calls if "errors" in each and "noted=false" not in each]
    assert not wrong, wrong


def test_a_refusal_as_json_has_plain_values() -> None:
    """The serializer of the API knows no subclass of a text."""
    broken = TooEarly("No.", text=Typed("banana"), lasts=Minutes(180), kinds=Several(("goods", "works")), most=5)
    numbers = broken.as_dict()["numbers"]
    assert msgspec.json.decode(msgspec.json.encode(numbers)) == numbers
    assert numbers == {"text": "banana", "lasts": 180, "kinds": "goods, works", "most": 5}
