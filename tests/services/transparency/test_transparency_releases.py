"""From releases to processes: OCDS 1.0 and 1.1, versions, merges, and variants of publishers."""

import copy
import itertools
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalogue.units import parse_unit
from events.contracts import ContractConcluded
from events.values import Category
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.merging import latest, merge
from services.transparency.ocds.process import OcdsOrganisation, OcdsProcess, derived_id
from services.transparency.ocds.tolerance import NotUnderstood
from tests.services.transparency.publication_builders import a_release, processes, read


@pytest.fixture
def understand(publish: Callable[..., Path], ledger: NotUnderstood) -> Callable[..., OcdsProcess]:
    """The one process of some documents."""

    def one(*bodies: Any) -> OcdsProcess:
        releases, unreadable = read(publish(bodies), ledger)
        assert not unreadable
        (process,) = processes(releases, ledger)
        return process

    return one


def versioned(value: Any) -> Any:
    """The value in the form of a versioned release."""
    if isinstance(value, dict):
        return {key: one if key in ("ocid", "id") else versioned(one) for key, one in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [versioned(one) for one in value]
    old = {"releaseDate": "2023-01-01T00:00:00Z", "releaseID": "0", "releaseTag": ["tender"], "value": "old"}
    return [old, {"releaseDate": "2024-05-01T00:00:00Z", "releaseID": "1", "releaseTag": ["contract"], "value": value}]


def one_point_zero() -> dict[str, Any]:
    """The same contract without ``parties``: organisations are embedded where they act."""
    release = a_release()
    buyer, shop = release.pop("parties")
    release["buyer"] = {"name": buyer["name"], "identifier": buyer["identifier"]}
    release["awards"][0]["suppliers"] = [{"name": shop["name"], "identifier": shop["identifier"]}]
    return release


def test_everything_of_a_plain_release_is_understood(
    understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    process = understand(a_release())
    (award,), (contract,) = process.awards, process.contracts
    assert process.buyer is not None
    assert (process.buyer.name, award.suppliers[0].name, contract.suppliers) == ("City", "Shop Ltd", award.suppliers)
    assert contract.award_id == award.award_id
    assert (contract.signed_at, contract.lines) == (award.awarded_at, award.lines)
    assert award.lines[0].unit_price == 10
    assert process.category is not None and process.category.code == "30197644"
    assert not ledger.kinds


def test_1_0_and_1_1_and_a_versioned_record_say_the_same(understand: Callable[..., OcdsProcess]) -> None:
    new = understand(a_release())
    old = understand(one_point_zero())
    record = understand(
        {"ocid": "ocds-abc123-1", "versionedRelease": {"ocid": "ocds-abc123-1", **versioned(a_release())}}
    )
    for other in (old, record):
        assert other.awards == new.awards
        assert other.contracts == new.contracts
        assert {one.organisation_id for one in other.organisations} == {
            one.organisation_id for one in new.organisations
        }


def test_releases_in_any_order_merge_to_the_same_process(understand: Callable[..., OcdsProcess]) -> None:
    whole = a_release()
    tender = {key: whole[key] for key in ("ocid", "id", "parties", "buyer", "tender")} | {
        "date": "2024-01-01T00:00:00Z"
    }
    award = {key: whole[key] for key in ("ocid", "id", "awards")} | {"date": "2024-02-01T00:00:00Z"}
    contract = {key: whole[key] for key in ("ocid", "id", "contracts")} | {"date": "2024-03-01T00:00:00Z"}
    found = [understand(*order) for order in itertools.permutations([tender, award, contract])]
    events = [
        [type(event).__name__ for event in events_of(process, NotUnderstood())]
        + [process.title, process.awards, process.contracts]
        for process in found
    ]
    assert all(other == events[0] for other in events)
    assert events[0][:2] == ["OrganisationRegistered", "OrganisationRegistered"]


def test_the_later_date_wins_and_lists_merge_by_id() -> None:
    early = {
        "date": "2020-01-01",
        "tender": {"title": "a", "value": {"amount": 1}, "items": [{"id": 1, "q": 1}, {"id": 2}]},
    }
    late = {
        "date": "2020-02-01",
        "tender": {"title": "b", "value": None, "description": "", "items": [{"id": "2", "q": 2}]},
    }
    for order in ([early, late], [late, early]):
        assert merge(order)["tender"] == {
            "title": "b",
            "description": "",
            "items": [{"id": 1, "q": 1}, {"id": "2", "q": 2}],
        }


def test_versions_without_a_value_are_absent() -> None:
    bare = {"releaseDate": "2020", "releaseID": "1", "releaseTag": ["tender"]}
    assert latest({"a": [bare], "b": [[{**bare, "value": "x"}]], "c": [{**bare, "value": ["y"]}]}) == {
        "b": ["x"],
        "c": ["y"],
    }


@pytest.mark.parametrize("several", [False, True], ids=["one", "a list"])
def test_where_it_is_delivered_is_read_as_older_and_newer_extensions_have_it(
    several: bool, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    address = {"locality": "Kazan", "countryName": "RU"}
    location = {"geometry": {"type": "Point", "coordinates": [49.1, 55.8]}}
    told = (
        {"deliveryAddresses": [address, address], "deliveryLocations": [location]}
        if several
        else {"deliveryAddress": address, "deliveryLocation": location}
    )
    release = a_release()
    release["tender"] |= told
    release["tender"]["items"] = [{"id": "1", "description": "Paper", "quantity": 1, **told}]
    process = understand(release)
    for place in (process.place, process.lines[0].place):
        assert place is not None and (place.locality, place.latitude, place.longitude) == ("Kazan", 55.8, 49.1)
    assert not [kind for kind in ledger.kinds if "delivery" in kind and "unknown" in kind]


class TestPrices:
    def line(
        self, understand: Callable[..., OcdsProcess], total: object, *items: tuple[object, object]
    ) -> list[Decimal | None]:
        unit = {"name": "kg"}
        release = a_release()
        release["awards"][0]["value"] = {"amount": total, "currency": "EUR"}
        release["awards"][0]["items"] = [
            {"id": str(number), "quantity": quantity, "unit": unit | {"value": {"amount": price, "currency": "EUR"}}}
            for number, (quantity, price) in enumerate(items)
        ]
        return [line.unit_price for line in understand(release).awards[0].lines]

    def test_unit_prices_that_add_up_stand(self, understand: Callable[..., OcdsProcess]) -> None:
        assert self.line(understand, 70, (10, 5), (4, 5)) == [5, 5]

    def test_line_amounts_in_place_of_unit_prices_are_divided(self, understand: Callable[..., OcdsProcess]) -> None:
        assert self.line(understand, 124400, (50, 100000), (20, 24400)) == [2000, 1220]

    def test_the_only_line_costs_what_the_whole_costs(
        self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
    ) -> None:
        assert self.line(understand, 77000, (1, 0.01)) == [77000]
        assert "awards.items.unit.value.amount: not the value of the whole, which was used" in ledger.kinds

    def test_a_contradiction_leaves_the_price_out(
        self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
    ) -> None:
        assert self.line(understand, 4218250, (5630, 2420900), (6075, 2733750)) == [None, None]
        assert ledger.kinds == {"awards.items.unit.value.amount: contradicts the value of the whole": 2}

    @pytest.mark.parametrize("quantity", [0, None, -1, "x", "1E-17"])
    def test_no_quantity_no_price_by_division(self, quantity: object, understand: Callable[..., OcdsProcess]) -> None:
        assert self.line(understand, 100, (quantity, None)) == [None]


class TestOrganisations:
    def test_hashes_are_no_identity_names_are(self, understand: Callable[..., OcdsProcess]) -> None:
        def supplier(local_id: str) -> str:
            release = a_release(parties=[])
            release["awards"][0]["suppliers"] = [{"id": local_id, "name": "Peña  S.A."}]
            return understand(release).awards[0].suppliers[0].organisation_id

        assert (
            supplier("8d97cc040a6218bd4f90bf8d938b46ca") == supplier("be39381063616a27fb8ba69ca2633e02") == supplier("")
        )
        assert supplier("AM-TIN-1") != supplier("AM-TIN-2")

    def test_one_organisation_in_several_roles_is_one(self, understand: Callable[..., OcdsProcess]) -> None:
        release = a_release(buyer={"id": "S", "name": "Shop Ltd"})
        (both,) = (one for one in understand(release).organisations if one.name == "Shop Ltd")
        assert both.roles == ("buyer", "supplier")

    def test_the_code_of_a_register_is_one_however_it_is_written(self, understand: Callable[..., OcdsProcess]) -> None:
        def supplier(scheme: str) -> str:
            release = a_release(parties=[])
            found = {"id": "", "name": "Shop", "identifier": {"scheme": scheme, "id": "7707083893"}}
            release["awards"][0]["suppliers"] = [found]
            return understand(release).awards[0].suppliers[0].organisation_id

        assert supplier("ru-inn") == supplier("RU-INN") != supplier("BR-CNPJ")

    def test_an_invalid_code_of_a_register_is_left_out_and_reported_and_the_organisation_keeps_its_id(
        self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
    ) -> None:
        release = a_release(parties=[])
        found = {"id": "", "name": "Shop", "identifier": {"scheme": "banana", "id": "77-07 083893"}}
        release["awards"][0]["suppliers"] = [found]
        (shop,) = understand(release).awards[0].suppliers
        assert (shop.scheme, shop.identifier) == ("", "77-07083893")
        assert shop.organisation_id == derived_id("organisation", "banana", "77-07083893")
        assert ledger.kinds["awards.suppliers: unknown register"] == 1

    def test_the_code_of_a_register_within_an_id_is_one_however_it_is_written(
        self, understand: Callable[..., OcdsProcess]
    ) -> None:
        def supplier(local_id: str) -> OcdsOrganisation:
            release = a_release(parties=[])
            release["awards"][0]["suppliers"] = [{"id": local_id, "name": "Shop"}]
            return understand(release).awards[0].suppliers[0]

        assert supplier("AM-tin-02589128") == supplier("AM-TIN-02589128")

    def test_a_number_without_letter_and_digit_is_left_out_and_reported(
        self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
    ) -> None:
        release = a_release(parties=[])
        found = {"id": "", "name": "Shop", "identifier": {"scheme": "RU-INN", "id": "№"}}
        release["awards"][0]["suppliers"] = [found]
        (shop,) = understand(release).awards[0].suppliers
        assert shop.identifier == ""
        assert any("an identifier without letter and digit" in kind for kind in ledger.kinds)

    def test_nobody_is_counted(self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood) -> None:
        process = understand(
            a_release(parties=[{"id": "x", "name": "", "roles": ["tenderer"]}], buyer={"id": "", "name": None})
        )
        assert process.buyer is None
        assert ledger.kinds["parties: an organisation without name and identifier"] == 1
        assert ledger.kinds["buyer: missing"] == 1

    def test_the_country_comes_from_the_address_the_register_or_the_currency(
        self, understand: Callable[..., OcdsProcess]
    ) -> None:
        release = a_release()
        release["parties"][0]["address"] = {"countryName": "República del Paraguay"}
        assert understand(release).place.country == "PY"
        release["parties"][0] |= {"address": {}, "identifier": {"scheme": "MD-IDNO", "id": "1"}}
        assert understand(release).place.country == "MD"
        release["parties"][0]["identifier"] = {}
        release["awards"][0]["value"]["currency"] = "amd"
        assert understand(release).place.country == "AM"


def test_bids_of_the_extension_are_disclosed_and_a_joint_bid_counts_its_amount_once(
    understand: Callable[..., OcdsProcess],
) -> None:
    bid = {
        "id": "b1",
        "status": "not-qualified",
        "date": "2024-04-01",
        "tenderers": [{"id": "S"}, {"name": "Partner"}],
        "value": {"amount": "1.234,50", "currency": "EUR"},
    }
    process = understand(a_release(bids={"details": [bid]}))
    events = [event for event in events_of(process, NotUnderstood()) if type(event).__name__ == "BidDisclosed"]
    assert [(event.status, event.amount) for event in events] == [
        ("disqualified", Decimal("1234.50")),
        ("disqualified", None),
    ]  # type: ignore[attr-defined]


def test_words_of_other_languages_are_codes_and_unknown_ones_are_counted(
    understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    process = understand(
        a_release(language="md", tender={"status": "Evaluarea ofertelor", "procurementMethod": "Licitaţie publică"})
    )
    assert (process.status, process.method, process.language) == ("active", "open", "ro")
    assert not ledger.kinds
    process = understand(
        a_release(tender={"status": "quux", "procurementMethod": "quux", "mainProcurementCategory": 3})
    )
    assert (process.status, process.method, process.kind) == ("", "", "")
    assert ledger.kinds == {
        "tender.status: unknown word": 1,
        "tender.procurementMethod: unknown word": 1,
        "tender.mainProcurementCategory: unknown word": 1,
    }


def test_what_nobody_asked_for_is_counted_by_path(
    understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    understand(
        a_release(
            surprise={"a": 1}, empty={"a": None}, tender={"title": "t", "title_fr": "t", "milestones": [{"id": 1}]}
        )
    )
    assert ledger.kinds == {
        "unknown field: surprise": 1,
        "not carried: tender.title_* (translations)": 1,
        "not carried: tender.milestones": 1,
    }


@pytest.mark.parametrize("wrong", [5, "x", [], [[]], [5], {}, {"x": "y"}, None, True])
@pytest.mark.parametrize(
    "field", ["parties", "buyer", "tender", "bids", "awards", "contracts", "planning", "date", "language", "tag"]
)
def test_a_section_of_a_wrong_shape_spoils_nothing_else(
    field: str, wrong: object, understand: Callable[..., OcdsProcess]
) -> None:
    process = understand(a_release(**{field: wrong}))
    assert process.ocid == "ocds-abc123-1"
    events_of(process, NotUnderstood())
    if field not in ("awards", "parties"):
        assert process.awards[0].suppliers[0].name == "Shop Ltd"


def test_rows_joined_into_repeats_are_read_once_and_others_keep_apart(
    understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    award = a_release()["awards"][0]
    other = award | {"value": {"amount": 7, "currency": "EUR"}}
    process = understand(a_release(awards=[award | {"status": "MARTHA"}, award, other]))
    assert [(one.status, one.amount) for one in process.awards] == [("active", 100), ("active", 7)]
    assert len({one.award_id for one in process.awards}) == 2


def test_a_misspelt_publication_is_read(understand: Callable[..., OcdsProcess]) -> None:
    """Paraguay: an object for a list, ``schema`` for ``scheme``, ``identifiers`` for ``identifier``."""
    contract = {
        "id": "c",
        "award_id": "a",
        "dateSigned": "2024-04-21",
        "value": {"amount": 100, "currency": "eur"},
        "suppliers": {"name": "Other Ltd", "identifiers": {"key": "k"}},
        "items": [{"id": 1, "quantity": 2, "classification": {"schema": "CPV", "id": "30"}, "unit": {"name": "kg"}}],
    }
    (found,) = understand(a_release(contracts=[contract])).contracts
    assert found.suppliers[0].name == "Other Ltd"
    assert found.lines[0].category is not None and found.lines[0].category.scheme == "CPV"
    assert found.lines[0].unit_price == 50
    assert found.award_id is not None


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("banana", "malformed category"),
        ("3110000-5", "category check digit"),
        ("30197644-7", "category check digit"),
        ("99000000", "unknown division"),
    ],
)
def test_what_is_said_to_be_cpv_and_cannot_be_is_no_cpv_and_counted(
    code: str, why: str, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    release = a_release()
    release["awards"][0]["items"][0]["classification"] = {"scheme": "CPV", "id": code, "description": "Fruit"}
    category = understand(release).awards[0].lines[0].category
    assert category == Category(code=code, scheme="", title="Fruit")
    assert ledger.kinds[f"awards.items.classification.id: {why}"] == 1


@pytest.mark.parametrize(
    ("code", "plain"),
    [("30197644-2", "30197644"), ("30197644", "30197644"), ("30", "30000000"), ("30000000-9", "30000000")],
)
def test_a_cpv_code_is_written_as_in_the_catalogue(
    code: str, plain: str, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    release = a_release()
    release["awards"][0]["items"][0]["classification"] = {"scheme": "CPV-2008", "id": code}
    assert understand(release).awards[0].lines[0].category == Category(code=plain, scheme="CPV", title="")
    assert not any("classification" in kind for kind in ledger.kinds)


def test_units_keep_their_text_and_unknown_ones_are_counted(
    understand: Callable[..., OcdsProcess], ledger: NotUnderstood
) -> None:
    release = a_release()
    release["awards"][0]["items"][0]["unit"] = {"name": "wibble"}
    line = understand(release).awards[0].lines[0]
    assert parse_unit("wibble") is None
    assert (line.unit, line.unit_text) == ("", "wibble")
    assert any(kind.startswith("awards.items.unit.name: ") for kind in ledger.kinds)


class TestEvents:
    def test_the_same_release_gives_the_same_events(self, understand: Callable[..., OcdsProcess]) -> None:
        first, second = understand(a_release()), understand(a_release())
        assert events_of(first, NotUnderstood()) == events_of(second, NotUnderstood())

    def test_a_contract_without_a_supplier_is_published_without_one_and_counted(
        self, understand: Callable[..., OcdsProcess], ledger: NotUnderstood
    ) -> None:
        events = events_of(understand(a_release(parties=[], awards=[])), ledger)
        contract = next(event for event in events if isinstance(event, ContractConcluded))
        assert (contract.supplier_id, contract.supplier_name) == ("", "")
        assert ledger.kinds["contracts: no supplier, published without one"] == 1

    @pytest.mark.parametrize(
        ("status", "published"), [("pending", False), ("unsuccessful", False), ("active", True), ("cancelled", True)]
    )
    def test_only_awards_that_were_made_are_published(
        self, status: str, published: bool, understand: Callable[..., OcdsProcess]
    ) -> None:
        release = a_release()
        release["awards"][0]["status"] = status
        events = events_of(understand(release), NotUnderstood())
        assert any(type(event).__name__ == "AwardMade" for event in events) is published

    def test_a_cancelled_contract_ends_after_it_was_concluded(self, understand: Callable[..., OcdsProcess]) -> None:
        release = a_release()
        release["contracts"][0]["status"] = "cancelled"
        assert [type(event).__name__ for event in events_of(understand(release), NotUnderstood())][-2:] == [
            "ContractConcluded",
            "ContractEnded",
        ]


def texts_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts in JSON."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts_of(part, (*path, key))
    elif isinstance(value, str):
        yield path


def test_a_damaged_letter_is_counted_wherever_it_gets_into_an_event(publish: Callable[..., Path]) -> None:
    whole = a_release()
    whole["tender"] |= {"description": "D", "procurementMethodDetails": "x", "items": [a_line_to_deliver()] * 2}
    for party in whole["parties"]:
        party["address"] = {"locality": "Lyon", "region": "ARA", "countryName": "France"}

    def told(release: dict[str, Any]) -> tuple[int, str]:
        ledger = NotUnderstood()
        events = [
            event for one in processes(read(publish([release]), ledger)[0], ledger) for event in events_of(one, ledger)
        ]
        return ledger.total(), repr(events)

    tried, before = 0, told(whole)[0]
    for *above, last in texts_of(whole):
        damaged = copy.deepcopy(whole)
        part: Any = damaged
        for key in above:
            part = part[key]
        part[last] += "\ufffd"
        counted, events = told(damaged)
        tried += "\ufffd" in events
        assert counted > before or "\ufffd" not in events, (*above, last)
    assert tried > 20


def a_line_to_deliver() -> dict[str, Any]:
    return {
        "id": "1",
        "description": "Paper",
        "classification": {"scheme": "CPV", "id": "30197644-2", "description": "paper"},
        "unit": {"name": "box"},
        "quantity": 2,
        "deliveryAddress": {"locality": "Paris", "countryName": "France"},
    }
