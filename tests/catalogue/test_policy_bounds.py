"""Bounds of the values in a policy: each has one, a file that breaks one is refused with the path of the field, and a
stored policy is read as it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import fields, replace

from catalogue.calendar import RegionCalendar
from catalogue.offers import months_later
from catalogue.policy import AuctionRules, ObservatoryRules, Policy, PolicyNotValid, load, of_process, text_of
from catalogue.policy.bounds import Rules
from catalogue.policy.reading import bound_of

WISHES = '[[auction.durations]]\nminutes = 5\nkinds = ["wishes"]'


def refusal(folder: Path, text: str) -> PolicyNotValid:
    (folder / "own.toml").write_text(f'based_on = "moscow"\n{text}\n', encoding="utf-8")
    with pytest.raises(PolicyNotValid, match=r"^own\.toml.*[^.]\.$") as caught:
        load("own", folder)
    return caught.value


def loaded(folder: Path, text: str) -> Policy:
    (folder / "own.toml").write_text(f'based_on = "moscow"\n{text}\n', encoding="utf-8")
    return load("own", folder)


def unbounded(kind: Any, path: str) -> Iterator[str]:
    """The numbers, texts and lists of a type that have no bound."""
    plain, bound = bound_of(kind)
    origin = get_origin(plain) or plain
    if bound is None and origin in (int, float, Decimal, str, bytes, tuple, list, dict, set, frozenset):
        yield path
    if origin in (tuple, dict):
        for each in get_args(plain):
            if each is not Ellipsis:
                yield from unbounded(each, f"{path}[]")
    if isinstance(plain, type) and issubclass(plain, Rules):
        for field in fields(plain):
            yield from unbounded(field.type, f"{path}.{field.encode_name}")


def test_every_number_text_and_list_of_a_policy_has_a_bound() -> None:
    assert list(unbounded(Policy, "policy")) == []


def test_a_value_without_a_bound_would_be_found() -> None:
    inner = msgspec.defstruct("inner", [("days", int), ("names", tuple[str, ...])], bases=(Rules,), frozen=True)
    outer = msgspec.defstruct("outer", [("part", inner | None)], bases=(Rules,), frozen=True)  # type: ignore[operator]
    assert list(unbounded(outer, "x")) == ["x.part.days", "x.part.names", "x.part.names[]"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[auction]\nsettle_second = 1", "auction.settle_second"),
        ('[auction]\nsettle_seconds = "1"', "auction.settle_seconds"),
        ("[auction]\nsettle_seconds = 1.5", "auction.settle_seconds"),
        ("[auction]\nsettle_seconds = true", "auction.settle_seconds"),
        ("[auction]\nsettle_seconds = -1", "auction.settle_seconds"),
        ("[auction]\nsettle_seconds = 86401", "auction.settle_seconds"),
        ("[auction]\nwhole_steps = 1", "auction.whole_steps"),
        ('[auction]\nimprove_on = "all"', "auction.improve_on"),
        ("[auction]\nstep_percents = []", "auction.step_percents"),
        ("[auction]\nstep_percents = 1", "auction.step_percents"),
        ("[auction]\nstep_percents = [1, -1]", "auction.step_percents[1]"),
        ("[auction]\nstep_percents = [100]", "auction.step_percents[0]"),
        ("[auction]\nstep_percents = [1, nan]", "auction.step_percents[1]"),
        ("[auction]\nfloor_percent = 100", "auction.floor_percent"),
        ("[auction]\nfloor_percent = -5", "auction.floor_percent"),
        ("[auction]\nfloor_percent = 'nan'", "auction.floor_percent"),
        ("[auction]\nfloor_percent = 0.1234567", "auction.floor_percent"),
        ("[auction]\nextension_seconds = 60", "auction.extension_seconds"),
        ('[auction]\nreference_grades = ["A", "b"]', "auction.reference_grades[1]"),
        ('[auction]\nscorings = ["price", "quality"]', "auction.scorings"),
        ('[auction]\nscorings = ["beauty"]', "auction.scorings[0]"),
        ('[auction]\nnone_because = "No law"', "auction.durations"),
        ("[auction]\ndurations = []", "auction.durations"),
        ("[auction]\ndelete_seconds = 5", "auction.delete_seconds"),
        ("[auction]\ncomplaint_characters = 5000", "auction.complaint_characters"),
        ("[auction.rounds]\nturn_seconds = 5\npauses_seconds = [1]", "auction.improve_on"),
        ('[auction]\nimprove_on = "own"', "auction.durations[0].autobid_seconds"),
        ("[auction.ceilings]\ngoods = 0", "auction.ceilings.goods"),
        ("[auction.ceilings]\ngoods = -1", "auction.ceilings.goods"),
        ("[auction.ceilings]\nwishes = 5", "auction.ceilings.wishes"),
        ("[auction]\nceilings = 5", "auction.ceilings"),
        (WISHES, "auction.durations[0].kinds[0]"),
        ('[[auction.durations]]\nkinds = ["goods"]', "auction.durations[0].minutes"),
        ('[[auction.durations]]\nminutes = 5\nkinds = ["goods"]\nruns_within = 5', "auction.durations[0].runs_within"),
        (
            '[[auction.durations]]\nminutes = 5\nkinds = ["goods"]\nruns_within = { first = 15:00:00, last = 09:00:00 }',
            "auction.durations[0].runs_within.last",
        ),
        (
            '[[auction.durations]]\nminutes = 61\nkinds = ["goods"]\nruns_within = { first = 09:00:00, last = 10:00:00 }',
            "auction.durations[0].minutes",
        ),
        (
            '[[auction.durations]]\nminutes = 9\nkinds = ["goods"]\nautobid_seconds = 301',
            "auction.durations[0].autobid_seconds",
        ),
        ("[auction.restart]\ngap_percent = -5\nseconds = 5", "auction.restart.gap_percent"),
        ("[auction.equivalents]\nmax_percent = 500", "auction.equivalents.max_percent"),
        ("[auction.equivalents]\nmax_percent = 0", "auction.equivalents.max_percent"),
        ("[contract]\ntotal_days = 3", "contract.total_days"),
        ("[contract]\nsupplier_offer_days = 100_000_000", "contract.supplier_offer_days"),
        ("[contract]\nbuyer_activates_from_rank = 1", "contract.buyer_activates_from_rank"),
        ('[contract]\nchangeable_terms = ["price"]', "contract.changeable_terms[0]"),
        ('[[contract.grounds]]\ncode = ""\ntitle = "x"\nsides = ["buyer"]', "contract.grounds[0].code"),
        ('[[contract.grounds]]\ncode = "x"\ntitle = " "\nsides = ["buyer"]', "contract.grounds[0].title"),
        ('[[contract.grounds]]\ncode = "x"\ntitle = "x"\nsides = []', "contract.grounds[0].sides"),
        ('[[contract.grounds]]\ncode = "x"\ntitle = "x"\nsides = ["moon"]', "contract.grounds[0].sides[0]"),
        (
            '[contract]\ngrounds = [{ code = "x", title = "x", sides = ["buyer"] }, { code = "x", title = "y", sides = ["buyer"] }]',
            "contract.grounds[1].code",
        ),
        ('[contract.security]\nkinds = ["wishes"]', "contract.security.kinds[0]"),
        (
            "[contract.security]\nbrackets = [{ up_to = 5, amount = 0 }, { up_to = 5, amount = 1 }]",
            "contract.security.brackets[1].up_to",
        ),
        ("[contract.security]\nbrackets = [{ up_to = 5, amount = -1 }]", "contract.security.brackets[0].amount"),
        ("[contract.security]\nvalid_days = 3651", "contract.security.valid_days"),
        ("[execution]\npayment_days = 100_000", "execution.payment_days"),
        ("[execution]\ndecision_days = 4", "execution.decision_days"),
        ("[execution]\nsilence_accepts = 'no'", "execution.silence_accepts"),
        ("[pool]\nmin_enrolment_days = 1001", "pool.min_enrolment_days"),
        ("[purchase]\nceiling = 0", "purchase.ceiling"),
        ("[purchase]\nceiling = 1e400", "purchase.ceiling"),
        ("[purchase]\nceiling = 1.23456", "purchase.ceiling"),
        ('[purchase]\nin_demand = ["33761", "banana"]', "purchase.in_demand[1]"),
        ('[purchase]\nin_demand = ["3a"]', "purchase.in_demand[0]"),
        ('[purchase]\nin_demand = ["33761000-2"]', "purchase.in_demand[0]"),
        ('[purchase]\nin_demand = ["99"]', "purchase.in_demand[0]"),
        ("[quote]\nceiling = 0", "quote.ceiling"),
        ("[quote]\nceiling = 'nan'", "quote.ceiling"),
        ("[quote]\nmin_minutes = 100_000_000", "quote.min_minutes"),
        ("[quote]\nmin_minutes = 50_000", "quote.min_minutes"),
        ("[quote]\njustification_characters = 1001", "quote.justification_characters"),
        ("[sanctions]\nmonth_minutes = 0", "sanctions.month_minutes"),
        ("[sanctions.supplier]\nmonths = []", "sanctions.supplier.months"),
        ("[sanctions.supplier]\nmonths = [1, 1_000_000]", "sanctions.supplier.months[1]"),
        ("[sanctions.supplier]\nwithin_days = 3651", "sanctions.supplier.within_days"),
        ("[catalogue]\nfewest_attributes = 101", "catalogue.fewest_attributes"),
        ("[catalogue]\noffer_months = 100_000", "catalogue.offer_months"),
        ("[recommendation]\nhorizon_days = 3651", "recommendation.horizon_days"),
        ("[observatory]\nfewest_price = 3", "observatory.fewest_price"),
        ("[observatory]\nfewest_prices = 0", "observatory.fewest_prices"),
        ("[observatory]\nfewest_prices = 2.5", "observatory.fewest_prices"),
        ("[observatory]\nfewest_suppliers = 2", "observatory.fewest_suppliers"),
        ("[observatory]\nsupplier_share_one_in = 0", "observatory.supplier_share_one_in"),
        ("[observatory]\ncontract_months = 0", "observatory.contract_months"),
        ("[observatory]\nother_months = 601", "observatory.other_months"),
        ('[observatory]\nkinds = ["rumour"]', "observatory.kinds[0]"),
        ("[observatory]\nkinds = []", "observatory.kinds"),
        ("[observatory]\ngrade_a_percent = -1", "observatory.grade_a_percent"),
        ("[observatory]\ngrade_b_percent = 14", "observatory.grade_b_percent"),
        ("[observatory]\ngrade_b_percent = nan", "observatory.grade_b_percent"),
        ("[observatory]\ndecimal_places = 7", "observatory.decimal_places"),
        ("[observatory.outliers]\nz_from = 3", "observatory.outliers.z_from"),
        ("[observatory.outliers]\nz_limit = 0", "observatory.outliers.z_limit"),
        ("[observatory.outliers]\nfences_from = 1", "observatory.outliers.fences_from"),
        ("[observatory.outliers]\nfences = inf", "observatory.outliers.fences"),
        ("[observatory.outliers]\nflat_percent = -0.5", "observatory.outliers.flat_percent"),
        ('title = ""', "title"),
        ('title = "two\\nlines"', "title"),
        ('currency = "RUR"', "currency"),
        ('currency = "rub"', "currency"),
        ("vat_percent = 101", "vat_percent"),
        ("vat_percent = -1", "vat_percent"),
        ("working_day_minutes = 0", "working_day_minutes"),
        ("working_day_minutes = 1441", "working_day_minutes"),
        ("surprise = 1", "surprise"),
        ("auction = 1", "auction"),
        ('without = "auction.restart"', "without"),
        ("without = [1]", "without"),
        ('without = ["auction.nothing"]', "without"),
        ('without = ["auction.settle_seconds"]', "auction.settle_seconds"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_path(tmp_path: Path, text: str, field: str) -> None:
    refused = refusal(tmp_path, text)
    assert refused.field == field
    assert refused.message.startswith(f"own.toml: {field} ")


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ('source = """Law 1 of 2020,\nart. 2"""', "source", "Law 1 of 2020,\nart. 2"),
        (
            '[auction]\nnone_because = """Not here:\n\tLaw 1"""\ndurations = []',
            "auction.none_because",
            "Not here:\n\tLaw 1",
        ),
        ('title = "Tab\\there"', "title", "Tab\there"),
        ('vat_percent = "18"', "vat_percent", Decimal(18)),
        ('[auction]\nstep_percents = ["0.5", 1]', "auction.step_percents", (Decimal("0.5"), Decimal(1))),
        ('[quote]\nceiling = "600000"', "quote.ceiling", Decimal(600_000)),
        ("[auction]\nstep_percents = [1, 0.5, 1.0]", "auction.step_percents", (Decimal(1), Decimal("0.5"))),
        ('[auction]\nreference_grades = ["A", "A"]', "auction.reference_grades", ("A",)),
        ('[observatory]\nkinds = ["bid", "bid"]', "observatory.kinds", ("bid",)),
        ('[purchase]\nin_demand = ["3"]', "purchase.in_demand", ("3",)),
    ],
)
def test_what_the_former_release_took_loads_and_a_repeated_value_counts_once(
    tmp_path: Path, text: str, path: str, value: object
) -> None:
    assert attrgetter(path)(loaded(tmp_path, text)) == value


def test_a_length_may_name_a_kind_twice(tmp_path: Path) -> None:
    ours = loaded(tmp_path, '[[auction.durations]]\nminutes = 60\nkinds = ["goods", "goods", "works"]')
    assert ours.auction.durations[0].kinds == ("goods", "works")


@pytest.mark.parametrize("text", ["a = ", f"a = 1e{'9' * 30}", f"a = {'9' * 5000}", "a = '\ud800'"])
def test_a_file_that_is_not_toml_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PolicyNotValid, match=r"^own\.toml is not valid TOML: .*[^.]\.$"):
        load("own", tmp_path)


def test_a_policy_that_is_too_long_for_an_event_is_refused(tmp_path: Path) -> None:
    grounds = ", ".join(f'{{ code = "g{n}", title = "{"x" * 300}", sides = ["buyer"] }}' for n in range(60))
    assert "as JSON" in refusal(tmp_path, f"[contract]\ngrounds = [{grounds}]").message


HIGHEST = {
    "working_day_minutes": 1440,
    "contract.total_days": 1000,
    "contract.extension_days": 1000,
    "contract.performance_days": 1000,
    "contract.security.valid_days": 3650,
    "execution.payment_days": 1000,
    "pool.min_enrolment_days": 1000,
    "purchase.contract_days": 1000,
    "quote.max_days": 3650,
    "quote.longest_delivery_days": 3650,
    "sanctions.supplier.months": 600,
    "sanctions.month_minutes": 44_640,
    "catalogue.offer_months": 600,
    "observatory.contract_months": 600,
    "auction.outage.margin_seconds": 86_400,
    "recommendation.horizon_days": 3650,
}
FAR = datetime(2099, 12, 31, 23, 59, tzinfo=UTC)


@pytest.mark.parametrize("path", HIGHEST)
def test_the_highest_number_loads_and_the_next_one_does_not(tmp_path: Path, path: str) -> None:
    part, _, name = path.rpartition(".")
    text = "{}{} = {}" if path != "sanctions.supplier.months" else "{}{} = [{}]"
    head = f"[{part}]\n" if part else ""
    loaded(tmp_path, text.format(head, name, HIGHEST[path]))
    assert refusal(tmp_path, text.format(head, name, HIGHEST[path] + 1)).field in (path, f"{path}[0]")


def test_no_date_overflows_with_the_highest_numbers(tmp_path: Path) -> None:
    calendar = RegionCalendar.of_place("Europe/Moscow", "RU-MOW")
    text = "[catalogue]\noffer_months = 600\n[sanctions.supplier]\nmonths = [600]\n[contract]\ntotal_days = 1000"
    usual = loaded(tmp_path, text)
    rehearsal = loaded(tmp_path, f"working_day_minutes = 1440\n{text}\n[sanctions]\nmonth_minutes = 44_640")
    for policy in (usual, rehearsal):
        assert policy.sanctions is not None and policy.sanctions.supplier is not None
        assert policy.due(FAR, policy.contract.total_days, calendar) > FAR
        assert policy.sanctions.until(FAR, policy.sanctions.supplier.length(1)) > FAR
    assert months_later(FAR.date(), usual.catalogue.offer_months) == date(2149, 12, 31)
    assert FAR + timedelta(days=3650, seconds=86_400) > FAR


def test_a_field_of_a_newer_release_is_ignored_in_a_stored_policy_and_refused_in_a_file(tmp_path: Path) -> None:
    usual = load("moscow")
    stored = msgspec.json.decode(text_of(usual))
    stored["agreement"] = {"hold_hours": 48}
    stored["pool"]["late_joining_days"] = 90
    assert of_process(msgspec.json.encode(stored).decode(), "moscow") == usual
    with pytest.raises(PolicyNotValid, match="pool.later_field is not a field"):
        loaded(tmp_path, "[pool]\nlater_field = 1")


def test_a_stored_policy_is_read_as_it_is_though_its_numbers_are_out_of_bounds() -> None:
    """A former release loaded such files: the processes that began under them go on."""
    usual = load("moscow")
    absurd = replace(
        usual,
        vat_percent=Decimal(-3),
        auction=replace(
            usual.auction, reference_grades=("a",), step_percents=(), durations=(), floor_percent=Decimal(200)
        ),
        contract=replace(usual.contract, supplier_offer_days=100_000, total_days=1, changeable_terms=("price",)),
        catalogue=replace(usual.catalogue, offer_months=100_000),
        purchase=replace(usual.purchase, in_demand=("banana",), ceiling=Decimal(0)),
        quote=replace(usual.quote, min_minutes=10**8) if usual.quote else None,
        observatory=replace(usual.observatory, contract_months=0),
    )
    assert of_process(text_of(absurd), "moscow") == absurd
    for part, kind in ((absurd.auction, AuctionRules), (absurd.observatory, ObservatoryRules)):
        assert msgspec.json.decode(msgspec.json.encode(part), type=kind) == part


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    first = loaded(tmp_path, "vat_percent = 5")
    assert load("own", tmp_path) is first
    assert loaded(tmp_path, "vat_percent = 5.5").vat_percent == Decimal("5.5")
