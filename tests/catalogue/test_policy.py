"""Policies: the shipped presets, files of a market, and refused files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from catalogue.calendar import RegionCalendar
from catalogue.policy import (
    Policy,
    PolicyNotValid,
    UnknownPolicy,
    Window,
    Withdrawal,
    keep_own_in,
    load,
    of_process,
    text_of,
)

MOSCOW = RegionCalendar("Europe/Moscow", "RU")
FRIDAY = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def own(folder: Path, text: str, name: str = "own") -> Path:
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def test_moscow_has_the_numbers_of_the_regulation() -> None:
    policy = load("moscow")
    assert policy.name == "moscow"
    assert policy.auction.ceilings == {"goods": 5_000_000, "works": 3_000_000, "services": 3_000_000}
    assert [each.minutes for each in policy.auction.offered("goods")] == [180, 360, 1440]
    assert [each.minutes for each in policy.auction.offered("works")] == [360, 1440]
    shortest, middle, longest = policy.auction.durations
    assert shortest.runs_within == Window(first=time(9), last=time(15))
    assert shortest.max_initial_price == 100_000
    assert middle.starts_within == Window(first=time(9), last=time(12))
    assert longest.runs_within is longest.starts_within is longest.max_initial_price is None
    assert policy.auction.step_percents == (Decimal("0.5"), Decimal(1))
    assert policy.contract.total_days == 10
    assert policy.purchase.contract_days == 20


def test_percents_are_exact_decimals_not_binary_fractions() -> None:
    assert load("moscow").auction.floor_percent.as_tuple() == Decimal("0.5").as_tuple()


def test_demo_is_moscow_with_minutes_for_hours() -> None:
    demo, moscow = load("demo"), load("moscow")
    assert [each.minutes * 60 for each in demo.auction.durations] == [each.minutes for each in moscow.auction.durations]
    assert all(each.runs_within is each.starts_within is None for each in demo.auction.durations)
    assert demo.auction.extension_window_seconds == demo.auction.extension_seconds == 30
    assert (demo.contract, demo.purchase, demo.pool) == (moscow.contract, moscow.purchase, moscow.pool)
    assert (demo.auction.ceilings, demo.currency) == (moscow.auction.ceilings, moscow.currency)


def test_a_step_is_due_after_working_days_or_after_the_demos_minutes() -> None:
    assert load("moscow").due(FRIDAY, 1, MOSCOW) == FRIDAY + timedelta(days=3)
    assert load("demo").due(FRIDAY, 2, MOSCOW) == FRIDAY + timedelta(minutes=60)


@pytest.mark.parametrize(
    ("since", "months", "until"),
    [("2026-01-31", 3, "2026-04-30"), ("2026-11-20", 6, "2027-05-20"), ("2028-02-29", 24, "2030-02-28")],
)
def test_a_suspension_lasts_months_of_the_calendar(since: str, months: int, until: str) -> None:
    sanctions = load("moscow").sanctions
    assert sanctions is not None
    began, ends = (datetime.fromisoformat(f"{day}T09:00+00:00") for day in (since, until))
    assert sanctions.until(began, months) == ends


def test_suspensions_grow_and_the_last_length_stays() -> None:
    sanctions, demo = load("moscow").sanctions, load("demo").sanctions
    assert sanctions is not None and sanctions.supplier is not None and sanctions.buyer is not None and demo is not None
    assert (sanctions.supplier.after, sanctions.supplier.within_days, sanctions.decision_days) == (3, 30, 10)
    assert [sanctions.supplier.length(level) for level in (1, 2, 3, 4)] == [3, 6, 24, 24]
    assert (sanctions.buyer.after, [sanctions.buyer.length(level) for level in (1, 2)]) == (1, [3, 3])
    assert demo.supplier == sanctions.supplier and demo.until(FRIDAY, 3) == FRIDAY + timedelta(minutes=30)


@pytest.mark.parametrize("name", ["moscow", "demo", "pregao", "prozorro", "acordar"])
def test_a_policy_is_the_same_after_it_was_stored_as_json(name: str) -> None:
    policy = load(name)
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy


def test_an_own_file_changes_only_what_it_says(tmp_path: Path) -> None:
    folder = own(tmp_path, 'based_on = "moscow"\ntitle = "Ours"\ncurrency = "EUR"\n[purchase]\nceiling = 9_999.5\n')
    policy = load("own", folder)
    assert (policy.name, policy.title, policy.currency) == ("own", "Ours", "EUR")
    assert policy.purchase.ceiling == Decimal("9999.5")
    assert policy.purchase.answer_days == 1
    assert policy.auction == load("moscow").auction


def test_an_own_file_may_override_the_preset_it_is_based_on(tmp_path: Path) -> None:
    folder = own(tmp_path, 'based_on = "moscow"\n[auction]\nsettle_seconds = 2\n', name="moscow")
    assert load("moscow", folder).auction.settle_seconds == 2
    assert load("moscow").auction.settle_seconds == 1


def test_the_markets_own_presets_are_found_only_by_name(tmp_path: Path) -> None:
    keep_own_in(own(tmp_path, 'based_on = "moscow"\n'))
    try:
        assert load("own").auction == load("moscow").auction
    finally:
        keep_own_in(None)
    with pytest.raises(UnknownPolicy):
        load("own")


def test_shipped_presets_are_found_beside_own_ones(tmp_path: Path) -> None:
    assert load("demo", tmp_path) == load("demo")


@pytest.mark.parametrize("name", ["nowhere", "../policies/moscow", "", "Moscow", "moscow.toml"])
def test_an_unknown_name_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownPolicy, match="acordar, demo, moscow, pregao, prozorro"):
        load(name)


def test_an_own_file_may_be_without_a_limit_of_its_preset(tmp_path: Path) -> None:
    folder = own(tmp_path, 'based_on = "moscow"\nwithout = ["auction.withdrawal.window"]\n')
    assert load("own", folder).auction.withdrawal == Withdrawal(minutes_before_end=300)
    assert load("moscow").auction.withdrawal.window is not None
    with pytest.raises(PolicyNotValid, match="nothing"):
        load("own", own(tmp_path, 'based_on = "moscow"\nwithout = ["auction.nothing"]\n'))


@pytest.mark.parametrize("text", ['title = "Ours"', "[auction", 'based_on = "nowhere"', 'based_on = "own"'])
def test_a_file_that_is_incomplete_broken_or_baseless_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PolicyNotValid):
        load("own", own(tmp_path, text))


@pytest.mark.parametrize("name", ["acordar", "demo", "moscow", "pregao", "prozorro"])
def test_the_policy_stored_with_a_purchase_is_read_back_unchanged(name: str) -> None:
    assert of_process(text_of(load(name)), name) == load(name)


def test_a_purchase_keeps_its_stored_numbers_and_one_without_them_has_those_of_the_file(tmp_path: Path) -> None:
    rules = 'based_on = "moscow"\n[contract]\nbuyer_draft_days = {}\n'
    try:
        keep_own_in(own(tmp_path, rules.format(7)))
        began = text_of(load("own"))
        own(tmp_path, rules.format(4))
        assert of_process(began, "own").contract.buyer_draft_days == 7
        assert of_process("", "own").contract.buyer_draft_days == 4
    finally:
        keep_own_in(None)


def test_a_policy_that_was_kept_and_cannot_be_read_says_so() -> None:
    with pytest.raises(PolicyNotValid, match="kept with the process"):
        of_process("{}", "moscow")


def test_what_a_card_says_and_how_long_an_offer_stands_are_numbers_of_the_policy(tmp_path: Path) -> None:
    ours = load(
        "own", own(tmp_path, 'based_on = "moscow"\n[catalogue]\nfewest_attributes = 2\noffer_months = 12\n')
    ).catalogue
    assert (ours.fewest_attributes, ours.moderation_days, ours.offer_months) == (2, 5, 12)
    with pytest.raises(PolicyNotValid, match="catalogue.offer_months"):
        load("own", own(tmp_path, 'based_on = "moscow"\n[catalogue]\noffer_months = 0\n'))


@pytest.mark.parametrize("name", ["moscow", "demo", "pregao", "prozorro", "acordar"])
def test_a_part_that_a_preset_leaves_out_is_not_stored_because_the_former_release_may_not_know_it(name: str) -> None:
    assert not {'"catalogue"', '"observatory"', '"recommendation"'} & set(re.findall(r'"\w+"', text_of(load(name))))


def test_the_usual_vat_is_a_number_of_the_policy_and_stored_only_where_it_is_not_the_default(tmp_path: Path) -> None:
    usual = load("usual", own(tmp_path, 'based_on = "moscow"\nwithout = ["vat_percent"]\n', name="usual"))
    ours = load("own", own(tmp_path, 'based_on = "moscow"\nvat_percent = 5\n'))
    assert (usual.vat_percent, ours.vat_percent) == (20, 5)
    assert "vat_percent" not in text_of(usual) and '"vat_percent":"5"' in text_of(ours)


def test_the_numbers_of_the_observatory_are_numbers_of_the_policy(tmp_path: Path) -> None:
    text = 'based_on = "moscow"\n[observatory]\nfewest_prices = 5\ngrade_a_percent = 10\n[observatory.outliers]\nz_limit = 3\n'
    ours, usual = load("own", own(tmp_path, text)).observatory, load("moscow").observatory
    assert (ours.fewest_prices, ours.grade_a_percent, ours.outliers.z_limit) == (5, 10, 3)
    assert (ours.contract_months, ours.outliers.fences) == (usual.contract_months, usual.outliers.fences)
    assert usual.step == Decimal("0.000001")


@pytest.mark.parametrize(
    ("part", "name", "number"),
    [
        ("auction", "complaint_characters", 20),
        ("auction", "complaints_per_supplier", 10),
        ("auction", "open_in_all", 1000),
        ("quote", "longest_delivery_days", 365),
        ("quote", "open_in_all", 300),
        ("pool", "open_in_all", 100),
    ],
)
def test_a_number_that_the_former_release_does_not_know_is_stored_only_where_it_is_not_the_usual_one(
    tmp_path: Path, part: str, name: str, number: int
) -> None:
    for preset in ("moscow", "demo", "pregao", "prozorro", "acordar"):
        usual = load(preset)
        assert getattr(getattr(usual, part), name) == number and f'"{name}"' not in text_of(usual)
    ours = load("own", own(tmp_path, f'based_on = "moscow"\n[{part}]\n{name} = 3\n'))
    assert getattr(getattr(ours, part), name) == 3 and of_process(text_of(ours), "own") == ours
    with pytest.raises(PolicyNotValid, match=name):
        load("own", own(tmp_path, f'based_on = "moscow"\n[{part}]\n{name} = 0\n'))


def test_what_an_auction_gets_back_for_an_outage_is_always_stored_because_a_query_reads_it(tmp_path: Path) -> None:
    without = load("own", own(tmp_path, 'based_on = "moscow"\nwithout = ["auction.outage"]\n'))
    stored = msgspec.json.decode(text_of(without))["auction"]["outage"]
    assert stored == {"after_seconds": 5, "margin_seconds": 60, "lost_end_seconds": 900}


def test_how_many_requests_may_wait_is_a_number_of_the_policy_and_stored_only_where_it_is_not_the_usual_one(
    tmp_path: Path,
) -> None:
    usual = load("moscow")
    assert (usual.purchase.open_to_one, usual.purchase.open_in_all) == (50, 300)
    assert "open_to_one" not in text_of(usual) and "open_in_all" not in text_of(usual)
    ours = load("own", own(tmp_path, 'based_on = "moscow"\n[purchase]\nopen_to_one = 5\n'))
    assert ours.purchase.open_to_one == 5 and '"open_to_one":5' in text_of(ours)
