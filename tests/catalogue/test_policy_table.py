"""The presets side by side: every number of a mini-auction, of a quick quote and of signing, each in a file with its source."""

from __future__ import annotations

import tomllib
from datetime import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

import catalogue.policy
from catalogue.policy import (
    AuctionRules,
    ContractRules,
    Equivalents,
    ExecutionRules,
    ObservatoryRules,
    Outage,
    OutlierRules,
    Policy,
    PoolRules,
    PurchaseRules,
    QuoteRules,
    Restart,
    Rounds,
    Sanctions,
    SuspensionPolicy,
    Window,
    Withdrawal,
    load,
)

NAMES = ("moscow", "pregao", "prozorro", "demo", "acordar")
FOLDER = Path(catalogue.__file__).parent / "policies"
OUTAGE = Outage(after_seconds=5, margin_seconds=60, lost_end_seconds=900)
HOURS = Withdrawal(minutes_before_end=300, window=Window(first=time(9), last=time(17)))
MILLIONS = {"goods": 5_000_000, "works": 3_000_000, "services": 3_000_000}

# What                  moscow                pregao      prozorro                demo                   acordar
TABLE: dict[str, tuple[object, ...]] = {
    "currency": ("RUB", "BRL", "UAH", "RUB", "ARS"),
    "vat_percent": ("22", "0", "20", "22", "21"),
    "ceilings": (MILLIONS, {}, {}, MILLIONS, {}),
    "minutes": ((180, 360, 1440), (10,), (10_080, 20_160), (3, 6, 24), ()),
    "autobid_seconds": ((60, 120, 180), (None,), (None, None), (5, 10, 15), ()),
    "step_percents": (("0.5", "1"), ("0.5", "1", "2"), ("0.5", "1", "2", "3"), ("0.5", "1"), ("1",)),
    "whole_steps": (True, False, False, True, True),
    "improve_on": ("price", "own", "own", "price", "price"),
    "floor_percent": ("0.5", "0", "0", "0.5", "0"),
    "extension_window_seconds": (300, 120, 0, 30, 0),
    "extension_seconds": (300, 120, 0, 30, 0),
    "settle_seconds": (1, 1, 1, 1, 0),
    "delete_seconds": (0, 15, 0, 0, 0),
    "reference_grades": (("A", "B"),) * 5,
    "open_in_all": (1000,) * 5,
    "complaint_characters": (20,) * 5,
    "complaints_per_supplier": (10,) * 5,
    "scorings": (("price",), ("price",), ("price", "quality", "life-cycle"), ("price",), ("price",)),
    "withdrawal": (
        HOURS,
        Withdrawal(minutes_before_end=0),
        Withdrawal(minutes_before_end=0),
        Withdrawal(minutes_before_end=2),
        Withdrawal(minutes_before_end=0),
    ),
    "outage": (OUTAGE, OUTAGE, OUTAGE, Outage(after_seconds=5, margin_seconds=5, lost_end_seconds=60), OUTAGE),
    "restart": (None, Restart(gap_percent=Decimal(5), seconds=600), None, None, None),
    "rounds": (None, None, Rounds(turn_seconds=120, pauses_seconds=(300, 120, 120)), None, None),
    "equivalents": (
        Equivalents(min_lines=5, max_percent=Decimal(20)),
        None,
        None,
        Equivalents(min_lines=5, max_percent=Decimal(20)),
        None,
    ),
}

TERMS = ("delivery-time", "delivery-place", "acceptance", "payment", "requisites", "wording")
JUSTIFIED = {
    "supplier": {"force-majeure", "draft-differs", "act-of-authority"},
    "buyer": {"force-majeure", "act-of-authority", "funding-withdrawn", "supplier-unfit"},
}
BRACKETS = (
    (100_000, 0),
    (200_000, 10_000),
    (300_000, 20_000),
    (600_000, 30_000),
    (1_000_000, 50_000),
    (3_000_000, 100_000),
)
ROUBLES = (("works", "services"), 31, BRACKETS)

# From award to signature, in working days; one number where all presets have the same.
SIGNING: dict[str, object] = {
    "supplier_offer_days": 1,
    "buyer_draft_days": 1,
    "supplier_signature_days": 2,
    "buyer_answer_days": 2,
    "extension_days": 2,
    "extensions_per_side": 1,
    "total_days": 10,
    "buyer_activates_from_rank": 3,
    "no_penalty_from_rank": 3,
    "objections_per_contract": 1,
    "changeable_terms": TERMS,
    "performance_days": 20,
    "grounds": JUSTIFIED,
    "dispute_days": 5,
    "dispute_decision_days": 10,
}
SECURITY = (ROUBLES, None, None, ROUBLES, None)


EXECUTION: dict[str, tuple[object, ...]] = {
    "acceptance_days": (20,) * 5,
    "silence_accepts": (False,) * 5,
    "payment_days": (7,) * 5,
    "receipt_days": (5,) * 5,
    "answer_days": (5,) * 5,
    "decision_days": (10,) * 5,
    "notice_days": (10,) * 5,
}

QUOTES: dict[str, tuple[object, ...]] = {
    "min_minutes": (180, 180, 180, 3, 180),
    "max_days": (30,) * 5,
    "settle_seconds": (1,) * 5,
    "choose_days": (2,) * 5,
    "justification_characters": (20,) * 5,
    "ceiling": (600_000, None, None, 600_000, None),
    "open_in_all": (300,) * 5,
    "longest_delivery_days": (365,) * 5,
}


def number(policy: Policy, name: str) -> object:
    rules = policy.auction
    match name:
        case "currency":
            return policy.currency
        case "vat_percent":
            return str(policy.vat_percent)
        case "minutes" | "autobid_seconds":
            return tuple(getattr(duration, name) for duration in rules.durations)
        case "step_percents":
            return tuple(str(percent) for percent in rules.step_percents)
        case "floor_percent":
            return str(rules.floor_percent)
    return getattr(rules, name)


@pytest.mark.parametrize("name", TABLE)
def test_the_presets_have_these_numbers(name: str) -> None:
    assert tuple(number(load(preset), name) for preset in NAMES) == TABLE[name]


@pytest.mark.parametrize("name", ExecutionRules.__struct_fields__)
def test_the_presets_carry_contracts_out_by_these_numbers(name: str) -> None:
    assert tuple(getattr(load(preset).execution, name) for preset in NAMES) == EXECUTION[name]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo"])
def test_every_number_of_the_execution_is_in_the_file_with_its_source(name: str) -> None:
    """The preset demo has the numbers of moscow."""
    text = (FOLDER / f"{name}.toml").read_text(encoding="utf-8").partition("\n[execution]")[2].partition("\n[")[0]
    lines = [line for line in text.splitlines()[1:] if line.strip()]
    assert [line.partition(" ")[0] for line in lines] == list(ExecutionRules.__struct_fields__)
    assert all("  # " in line for line in lines)


@pytest.mark.parametrize("name", QUOTES)
def test_the_presets_have_these_numbers_for_quick_quotes(name: str) -> None:
    assert tuple(getattr(load(preset).quote, name) for preset in NAMES) == QUOTES[name]
    assert set(QuoteRules.__struct_fields__) == set(QUOTES)


def test_the_table_leaves_no_number_of_a_mini_auction_out() -> None:
    told = {*TABLE, "durations", "none_because"}
    assert set(AuctionRules.__struct_fields__) <= told


def signing(policy: Policy, name: str) -> object:
    rules = policy.contract
    if name == "grounds":
        return {
            side: {each.code for each in rules.grounds_of(side) if each.justified} for side in ("supplier", "buyer")
        }
    return getattr(rules, name)


@pytest.mark.parametrize("name", SIGNING)
def test_every_preset_signs_by_this_number(name: str) -> None:
    assert [signing(load(preset), name) for preset in NAMES] == [SIGNING[name]] * len(NAMES)


def test_security_is_due_in_roubles_for_works_and_services_by_bracket() -> None:
    found = [load(preset).contract.security for preset in NAMES]
    assert (
        tuple(
            each and (each.kinds, each.valid_days, tuple((bracket.up_to, bracket.amount) for bracket in each.brackets))
            for each in found
        )
        == SECURITY
    )


def test_the_table_leaves_no_number_of_signing_out() -> None:
    assert set(ContractRules.__struct_fields__) == {*SIGNING, "security"}


@pytest.mark.parametrize(
    ("kind", "amount", "due"),
    [
        ("goods", "3000000", 0),
        ("works", "100000", 0),
        ("works", "100000.01", 10_000),
        ("services", "200000", 10_000),
        ("services", "300000", 20_000),
        ("services", "600000", 30_000),
        ("works", "1000000", 50_000),
        ("works", "3000000", 100_000),
        ("works", "9000000", 100_000),
    ],
)
def test_the_security_that_is_due(kind: str, amount: str, due: int) -> None:
    security = load("moscow").contract.security
    assert security is not None and security.due(kind, Decimal(amount)) == due


OBSERVATORY = ObservatoryRules(
    kinds=("contract", "quote", "offer", "bid"),
    contract_months=12,
    other_months=6,
    fewest_prices=3,
    fewest_suppliers=3,
    supplier_share_one_in=3,
    outliers=OutlierRules(
        z_from=8, z_limit=Decimal("3.5"), fences_from=4, fences=Decimal("1.5"), flat_percent=Decimal(15)
    ),
    grade_a_percent=Decimal(15),
    grade_b_percent=Decimal(33),
    decimal_places=6,
)
SUSPENSIONS = (
    SuspensionPolicy(after=3, within_days=30, months=(3, 6, 24)),
    SuspensionPolicy(after=1, within_days=30, months=(3,)),
)
PURCHASE = PurchaseRules(ceiling=Decimal(600_000), answer_days=1, contract_days=20)
CEILINGS = {"RUB": Decimal(600_000), "BRL": Decimal("62725.59"), "UAH": Decimal(100_000), "ARS": Decimal(1_000_000)}


def test_the_presets_have_these_numbers_for_pools_direct_purchases_and_sanctions() -> None:
    policies = [load(name) for name in NAMES]
    assert [policy.pool for policy in policies] == [PoolRules(min_enrolment_days=days) for days in (0, 8, 0, 0, 0)]
    rolls = {"moscow": ("33761",), "demo": ("33761",)}
    assert [policy.purchase for policy in policies] == [
        msgspec.structs.replace(PURCHASE, ceiling=CEILINGS[policy.currency], in_demand=rolls.get(policy.name, ()))
        for policy in policies
    ]
    for policy in policies:
        minutes = 10 if policy.name == "demo" else None
        supplier, buyer = SUSPENSIONS
        assert policy.sanctions == Sanctions(
            supplier=supplier, buyer=buyer, appeal_days=10, decision_days=10, month_minutes=minutes
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_preset_names_money_of_another_country(name: str) -> None:
    policy, text = load(name), (FOLDER / f"{name}.toml").read_text(encoding="utf-8")
    assert policy.currency == "RUB" or "rouble" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_presets_have_the_usual_numbers_of_the_observatory(name: str) -> None:
    assert load(name).observatory == OBSERVATORY


def test_the_numbers_of_the_observatory_that_a_file_shows_are_the_usual_ones() -> None:
    """The file has them as comments: a copy of these lines must not change anything."""
    shown = (FOLDER / "moscow.toml").read_text(encoding="utf-8").partition("# [observatory]\n")[2].partition("\n\n")[0]
    text = "[observatory]\n" + "\n".join(line.removeprefix("# ") for line in shown.splitlines())
    told = tomllib.loads(text, parse_float=Decimal)["observatory"]
    assert msgspec.convert(told, ObservatoryRules) == OBSERVATORY
    assert set(told) == set(ObservatoryRules.__struct_fields__)
    assert set(told["outliers"]) == set(OutlierRules.__struct_fields__)


def test_acordar_has_no_live_auction_and_says_so() -> None:
    assert "no live auction" in load("acordar").auction.none_because
    assert all(not load(name).auction.none_because for name in NAMES if name != "acordar")


def test_the_shipped_presets_are_those_of_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["auction", "contract", "pool", "purchase", "quote", "sanctions"])
def test_every_number_has_its_source_beside_it(name: str, part: str) -> None:
    """On its own line, or on the line that heads its table; "no law" is a source too."""
    if (name, part) == ("acordar", "auction"):
        return  # its numbers are unused, and the file says so
    headed = told = False
    for line in (FOLDER / f"{name}.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            told = line.lstrip("[").partition("]")[0].partition(".")[0] == part
            headed = "#" in line
        elif told and line.strip() and not line.startswith("#"):
            assert headed or "#" in line, f"{name}.toml: {line}"
