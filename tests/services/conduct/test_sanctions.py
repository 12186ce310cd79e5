"""Sanctions: who counts, for how long, what an appeal changes; and that the order or repetition of events changes
nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from catalogue.actors import Actor, Party
from catalogue.calendar import RegionCalendar
from catalogue.policy import load
from catalogue.rules import DoneOtherwise
from events.contracts import ContractEnded
from services.conduct.domain import sanctions
from services.conduct.domain.sanctions import Accused, Breach, Sanction, Spoken, appeal, apply, decide_appeal, judge
from services.contracts.domain.breaches import breach_of
from tests.services.contracts.builders import derive_id

MOSCOW = load("moscow")
CALENDAR = RegionCalendar("Europe/Moscow", "RU")
MONDAY = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)


def breaches(*days: int) -> list[Breach]:
    """Return contracts ``c0``, ``c10``, … that were evaded so many days after Monday."""
    return [Breach(contract_id=f"c{day}", at=MONDAY + timedelta(days=day), policy=MOSCOW) for day in days]


def judged(found: list[Breach], earlier: tuple[Sanction, ...] = (), side: Party = "supplier") -> tuple[Sanction, ...]:
    return judge(Accused("mill", side), found, earlier, CALENDAR, derive_id=derive_id)


def a_sanction() -> Sanction:
    (one,) = judged(breaches(0, 1, 2))
    return one


def lifted(sanction: Sanction) -> Sanction:
    for event in appeal(sanction, Actor("mill", "ann"), "Our mill burnt down", sanction.sanctioned.since):
        sanction = apply(sanction, event)
    for event in decide_appeal(sanction, "lifted", "It did", sanction.sanctioned.since):
        sanction = apply(sanction, event)
    return sanction


def test_three_evasions_in_thirty_days_suspend_for_three_months_from_the_third() -> None:
    (one,) = judged(breaches(0, 10, 30))
    told = one.sanctioned
    assert (told.level, told.side, told.contract_ids) == (1, "supplier", ("c0", "c10", "c30"))
    assert told.since == MONDAY + timedelta(days=30)
    assert told.until == datetime(2027, 3, 16, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize("days", [(), (0, 1), (0, 10, 31), (0, 20, 40, 60)])
def test_fewer_in_thirty_days_suspend_nobody(days: tuple[int, ...]) -> None:
    assert judged(breaches(*days)) == ()


def test_each_time_it_is_longer_and_every_evasion_counts_once() -> None:
    told = [each.sanctioned for each in judged(breaches(*range(12), 12, 13))]
    assert [each.level for each in told] == [1, 2, 3, 4]
    assert [(each.until.year - each.since.year) * 12 + each.until.month - each.since.month for each in told] == [
        3,
        6,
        24,
        24,
    ]
    counted = [contract_id for each in told for contract_id in each.contract_ids]
    assert len(counted) == len(set(counted)) == 12


def test_a_buyer_is_suspended_by_its_first_refusal() -> None:
    (one,) = judged(breaches(0), side="buyer")
    assert (one.sanctioned.side, one.sanctioned.until) == ("buyer", datetime(2027, 2, 16, 7, 0, tzinfo=UTC))


def test_a_policy_without_sanctions_suspends_nobody() -> None:
    free = structs.replace(MOSCOW, sanctions=None)
    assert judged([replace(each, policy=free) for each in breaches(0, 1, 2)]) == ()


def test_a_lifted_one_makes_the_next_no_longer_and_its_evasions_stay_counted() -> None:
    first = lifted(a_sanction())
    assert judged(breaches(0, 1, 2), (first,)) == ()
    (second,) = judged(breaches(0, 1, 2, 3, 4, 5), (first,))
    assert (second.sanctioned.level, second.sanctioned.contract_ids) == (1, ("c3", "c4", "c5"))


def test_who_is_in_breach_follows_from_how_the_contract_ended() -> None:
    ended = ContractEnded(
        process_id="p",
        contract_id="c",
        supplier_id="mill",
        buyer_id="school",
        reason="lapsed",
        by="supplier",
        evasion=True,
    )
    assert breach_of(ended) == ("supplier", "mill")
    assert breach_of(structs.replace(ended, evasion=False)) is None
    assert breach_of(structs.replace(ended, by="buyer", evasion=False)) == ("buyer", "school")
    assert breach_of(structs.replace(ended, by="buyer", evasion=False, reason="cancelled")) is None


def test_an_appeal_is_filed_once_and_decided_within_ten_working_days() -> None:
    one = a_sanction()
    now = one.sanctioned.since
    (filed,) = appeal(one, Actor("mill", "ann"), " Our mill burnt down ", now)
    assert filed.reasons == "Our mill burnt down"
    assert filed.due_at == CALENDAR.add_working_days(now, 10)
    after = apply(one, filed)
    assert appeal(after, Actor("mill", "ann"), "Our mill burnt down", now) == ()
    with pytest.raises(sanctions.AppealedAlready):
        appeal(after, Actor("mill", "ann"), "And it flooded", now)
    assert not after.overdue(filed.due_at - timedelta(seconds=1)) and after.overdue(filed.due_at)


@pytest.mark.parametrize(
    ("who", "reasons", "days", "rule"),
    [
        ("school", "why", 0, sanctions.NotTheSanctioned),
        ("mill", "  ", 0, sanctions.AppealUnexplained),
        ("mill", "why", 30, sanctions.AppealOverdue),
    ],
)
def test_an_appeal_against_the_rules_is_refused(who: str, reasons: str, days: int, rule: type[Exception]) -> None:
    one = a_sanction()
    with pytest.raises(rule):
        appeal(one, Actor(who, "ann"), reasons, one.sanctioned.since + timedelta(days=days))


def test_a_decision_needs_an_appeal_and_words_and_stands() -> None:
    one, now = a_sanction(), MONDAY + timedelta(days=90)
    with pytest.raises(sanctions.NotAppealed):
        decide_appeal(one, "lifted", "why", now)
    (filed,) = appeal(one, Actor("mill", "ann"), "why", one.sanctioned.since)
    one = apply(one, filed)
    with pytest.raises(sanctions.DecisionUnexplained):
        decide_appeal(one, "upheld", " ", now)
    (decided,) = decide_appeal(one, "upheld", "No fire was seen", now)
    one = apply(one, decided)
    assert decide_appeal(one, "upheld", " No fire was seen ", now) == ()
    with pytest.raises(DoneOtherwise, match="“No fire was seen”"):
        decide_appeal(one, "upheld", "It was too late", now)
    with pytest.raises(sanctions.DecidedOtherwise):
        decide_appeal(one, "lifted", "There was", now)


def test_it_is_in_force_until_its_end_or_until_it_is_lifted() -> None:
    one = a_sanction()
    told = one.sanctioned
    assert one.in_force(told.since) and not one.in_force(told.until)
    assert not lifted(one).in_force(told.since)


def test_a_sanction_can_be_stored_as_json_and_read_back() -> None:
    one = lifted(a_sanction())
    assert msgspec.json.decode(msgspec.json.encode(one), type=Sanction) == one


days_told = st.lists(st.integers(0, 120), max_size=15)


@given(days_told, st.data())
def test_any_order_and_any_repeat_of_the_same_evasions_gives_the_same_sanctions(
    days: list[int], data: st.DataObject
) -> None:
    found = breaches(*days)
    told = data.draw(
        st.permutations(found + data.draw(st.lists(st.sampled_from(found), max_size=5) if found else st.just([])))
    )
    assert judged(list(told)) == judged(found)


@given(days_told, st.data())
def test_no_evasion_counts_twice_in_any_order_of_events_and_their_own_order_gives_the_same_sanctions(
    days: list[int], data: st.DataObject
) -> None:
    """After each event, and after a restart, the judge knows only the events and sanctions so far."""

    def one_after_another(order: list[Breach]) -> tuple[Sanction, ...]:
        spoken: tuple[Sanction, ...] = ()
        for count in range(len(order) + 1):
            spoken += judged(order[:count], spoken)
            assert judged(order[:count], spoken) == ()
        return spoken

    found = sorted(breaches(*days), key=lambda each: each.at)
    assert one_after_another(found) == judged(found)
    anyhow = one_after_another(list(data.draw(st.permutations(found))))
    counted = [contract_id for each in anyhow for contract_id in each.sanctioned.contract_ids]
    assert len(counted) == len(set(counted))
    assert [each.sanctioned.level for each in anyhow] == list(range(1, len(anyhow) + 1))


@pytest.mark.parametrize("times", [(), (0, 1, 2, 3, 4, 5), (0, 1, 2, 40, 41)])
def test_what_was_counted_need_not_be_read_again(times: tuple[int, ...]) -> None:
    """With a summary of the former sanctions and the breaches that they did not count, the next sanctions are the same."""
    before = judged(breaches(*times))
    summary = [Spoken(contract_ids=each.contract_ids, lifted=each.lifted) for each in before]
    counted = {contract_id for each in before for contract_id in each.contract_ids}
    found = [*breaches(*times), *breaches(50, 51, 52)]
    left = [each for each in found if each.contract_id not in counted]
    assert judge(Accused("mill", "supplier"), left, summary, CALENDAR, derive_id=derive_id) == judged(found, before)
