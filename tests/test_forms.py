"""Every form that makes something new carries a key of its request, so that to send it twice makes one thing."""

import re
from pathlib import Path

from infra.web.forms import beside
from services.contracts.domain.purchases import AboveCeiling

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
    "contracts/execution.html": "",
    "contracts/purchase_new.html": "/contracts/purchases/new",
    "notifications/settings.html": "/notifications/digest",
    "pools/new.html": "/pools/new",
    "quotes/_mine.html": "",
    "quotes/new.html": "/quotes/new",
}
"""Template → where its form goes; "" where that is written elsewhere."""
AS_NEW = re.compile(r'action="[^"]*(/new|/keys|/register|/complaint|/digest|/purchases)"')
"""Where a form goes that makes something new."""
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
    """A form to confirm another sends its fields on, the key among them."""
    assert [name for name, form in found if 'name="request_key"' not in form and all_fields not in form] == []


def test_a_refusal_stands_beside_its_field_and_one_that_the_form_has_no_place_for_at_its_head() -> None:
    dear = AboveCeiling("Too dear.", field="quantity")
    assert beside(dear, {"quantity": "5"}) == {"quantity": "Too dear."}
    assert beside(dear, {"reason"}) == beside(AboveCeiling("Too dear."), {"quantity"}) == {"": "Too dear."}
