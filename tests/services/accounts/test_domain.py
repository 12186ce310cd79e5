"""The pure rules of organisations and members; typed places and categories."""

from email.message import EmailMessage

import pytest

from catalogue.categories import MalformedCategory
from catalogue.places import UnknownCountry, UnknownRegion
from catalogue.rules import UnknownTimeZone
from services.accounts.categories import divisions, read_categories
from services.accounts.domain import (
    EmailNotValid,
    Organisation,
    PasswordGuessable,
    PasswordTooLong,
    PasswordTooShort,
    RoleNotOfOrganisation,
    StateChangeNotAllowed,
    change_state,
    checked_email,
    checked_member_roles,
    checked_password,
    local_path,
    organisation_roles,
)
from services.accounts.places import resolve


def an_organisation(state: str = "active") -> Organisation:
    return Organisation(organisation_id="o", name="Hospital", roles=("buyer",), state=state)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("pending", "active"), ("active", "suspended"), ("suspended", "active"), ("suspended", "closed")],
)
def test_state_follows_its_predecessor(state: str, wanted: str) -> None:
    changed = change_state(an_organisation(state), wanted, "asked for it")
    assert (changed.state, changed.reason) == (wanted, "asked for it")


@pytest.mark.parametrize(
    ("state", "wanted"),
    [("closed", "active"), ("pending", "suspended"), ("active", "pending"), ("of a newer release", "active")],
)
def test_state_that_does_not_follow_is_refused_with_both_named(state: str, wanted: str) -> None:
    with pytest.raises(StateChangeNotAllowed) as refusal:
        change_state(an_organisation(state), wanted, "no matter")
    assert refusal.value.numbers == {"state": state, "wanted": wanted}


def test_member_roles_are_those_of_the_organisation() -> None:
    assert checked_member_roles(["buyer_approver", "buyer_officer"], ("buyer",)) == ("buyer_officer", "buyer_approver")
    for wanted in (["supplier_agent"], ["administrator"], []):
        with pytest.raises(RoleNotOfOrganisation):
            checked_member_roles(wanted, ("buyer",))


def test_organisation_roles_follow_from_what_a_member_shall_be() -> None:
    assert organisation_roles(["moderator", "observer"]) == ("operator",)
    assert organisation_roles(["observer"]) == ("observer",)
    assert organisation_roles(["buyer_officer"]) == ("buyer",)
    assert organisation_roles(["nobody"]) == ()


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("short", PasswordTooShort),
        ("x" * 201, PasswordTooLong),
        ("aaaaaaaaaaaa", PasswordGuessable),
        ("Ana@agency.example", PasswordGuessable),
    ],
)
def test_weak_password_is_refused_by_its_rule(password: str, rule: type[Exception]) -> None:
    with pytest.raises(rule):
        checked_password(password, "ana@agency.example")


def test_email_is_one_in_any_case_of_letters() -> None:
    assert checked_email(" Ana@Agency.Example ") == "ana@agency.example"
    for wrong in ("ana", "ana@agency", "a b@c.de", "a@b.c,d@e.fg"):
        with pytest.raises(EmailNotValid):
            checked_email(wrong)


@pytest.mark.parametrize(
    "text",
    ["=?utf-8?q?a?=@x.example", "(x)ana@x.example", "ana(x)@x.example", "ana@x(y).example", "ana:x@x.example", "ana:x@x.example;",
     '"ana x"@x.example',
     "ana..x@x.example", ".ana@x.example", "ana.@x.example", "ana@[127.0.0.1]", "ana@-x.example", "ana@x-.example", "ana@x..example",
     "ana@x.example.", "ana\\x@x.example", "ana[x]@x.example", "ana@x_y.example", f"{'a' * 65}@x.example",
     "a\u200bna@x.example", "<ana@x.example>"],
)  # fmt: skip
def test_an_address_that_a_mail_program_reads_as_another_is_refused(text: str) -> None:
    with pytest.raises(EmailNotValid):
        checked_email(text)


@pytest.mark.parametrize(
    "text", ["o'neil+tag@x.example", "ana.luisa@x-y.example", "a_b%c=d@mail.x.example", "ана@почта.рф", "1@2.example"]
)
def test_an_address_of_atoms_at_a_host_by_name_is_taken_and_its_letter_goes_to_it(text: str) -> None:
    mail = EmailMessage()
    mail["To"] = checked_email(text)
    assert [each.addr_spec for each in mail["To"].addresses] == [text] and not mail.defects


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/a\\b",
        "evil",
        "javascript:alert(1)",
        "",
        "/\t/evil.example",
    ],
)
def test_way_back_after_login_never_leaves_the_site(target: str) -> None:
    assert local_path(target) == "/"


def test_way_back_after_login_keeps_a_path_of_this_site() -> None:
    assert local_path("/auctions/new?sku=1&quantity=2") == "/auctions/new?sku=1&quantity=2"


def test_place_is_found_by_names_with_its_degrees_and_zone() -> None:
    place, zone = resolve("ES", "Madrid", "Madrid")
    assert (place.country, place.region, zone) == ("ES", "ES-MD", "Europe/Madrid")
    assert place.latitude is not None and round(place.latitude) == 40
    assert resolve("BR", "", "Manaus")[1] == "America/Manaus"
    assert resolve("BR", "", "Manaus", "America/Bahia")[1] == "America/Bahia"


@pytest.mark.parametrize(
    ("typed", "rule", "field"),
    [
        (("Atlantis",), UnknownCountry, "country"),
        (("ES", "RU-MOW"), UnknownRegion, "region"),
        (("ES", "", "", "Mars/Olympus"), UnknownTimeZone, "time_zone"),
    ],
)
def test_a_place_that_does_not_exist_is_refused_beside_its_field(
    typed: tuple[str, ...], rule: type[Exception], field: str
) -> None:
    with pytest.raises(rule) as refusal:
        resolve(*typed)
    assert refusal.value.field == field  # type: ignore[attr-defined]


def test_categories_are_ticked_or_written_and_each_counts_once() -> None:
    read = read_categories(["33000000"], "3319, 33000000-0;45")
    assert [category.code for category in read] == ["33000000", "33190000", "45000000"]
    assert read[0].title.startswith("Medical")
    assert len(divisions()) == 45
    with pytest.raises(MalformedCategory):
        read_categories([], "office paper")
