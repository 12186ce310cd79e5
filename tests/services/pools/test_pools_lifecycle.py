from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.calendar import RegionCalendar
from catalogue.categories import MalformedCategory, NotOneFunctionalGroup, UnknownDivision
from catalogue.durations import DurationNotOffered
from catalogue.money import Money, lower_in_proportion
from catalogue.openings import AboveReferencePrice, CeilingExceeded, NotTheMarketsCurrency
from catalogue.places import UnknownRegion
from catalogue.policy import load, of_process, text_of
from catalogue.references import ReferencePrice
from catalogue.rules import (
    DoneOtherwise,
    LineIdRepeated,
    QuantityAbsurd,
    RuleBroken,
    TitleMissing,
    UnknownKind,
    UnknownLine,
)
from catalogue.units import PackNotPositive
from events.auctions import AuctionClosed
from events.codec import Event
from events.pools import (
    Demand,
    PoolAllocated,
    PoolCancelled,
    PoolClosed,
    PoolExtended,
    PoolFrozen,
    PoolMemberWithdrew,
    PoolSourcingFailed,
    PoolSourcingRequested,
)
from events.values import Category, Line, Place, Refusal
from services.auctions.domain.opening import OpenAuction, open_auction
from services.pools.domain import (
    CancelPool,
    CloseContracting,
    Command,
    EndEnrolment,
    Enrol,
    Freeze,
    OpenPool,
    Past,
    Pool,
    PoolStage,
    RecordResult,
    RecordSourcingRefused,
    RequestSourcing,
    WithdrawEnrolment,
    apply,
    decide,
    open_pool,
)
from services.pools.domain.enrolment import (
    MOST_CHANGES,
    MOST_MEMBERS,
    DefaultUnexplained,
    DeliveryInThePast,
    DemandMissing,
    DemandRepeated,
    EnrolmentChangedTooOften,
    EnrolmentOver,
    FirmQuantityNotPositive,
    MinimumNotReached,
    NoPackFilled,
    NotEnrolled,
    PlaceOutsideRegions,
    PoolFull,
    ToleranceNegative,
)
from services.pools.domain.pool import MOST_REMEMBERED, NotTheLead, WrongStage
from services.pools.domain.sourcing import InitialPriceRaised
from services.pools.domain.terms import (
    EnrolmentTooShort,
    LineNotPriced,
    MinimumNotPositive,
    PoolWithoutLines,
    UnknownChoiceBelowMinimum,
    UnknownSavingsRule,
)
from services.pools.handlers import policy_of
from services.pools.store import StoredPool

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DEADLINE = NOW + timedelta(days=3)
LATER = DEADLINE + timedelta(days=3)
MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")
PAPER = Line(line_id="paper", description="Paper A4", unit="RM", pack_size=Decimal(5), unit_price=Decimal("25.00"))
PENS = Line(line_id="pens", description="Pens", unit="C62", unit_price=Decimal("0.70"))


def terms(**changes: Any) -> OpenPool:
    usual: dict[str, Any] = {
        "pool_id": "pool",
        "lead_id": "lead",
        "lead_name": "City Hall",
        "title": "Paper and pens",
        "kind": "goods",
        "category": Category(code="30197630"),
        "currency": "RUB",
        "regions": ("RU-MOW",),
        "lines": (PAPER, PENS),
        "minimum_quantity": Decimal(40),
        "enrolment_ends_at": DEADLINE,
        "below_minimum": "cancel",
        "duration_minutes": 180,
    }
    return OpenPool(**(usual | changes))


def opening(
    command: OpenPool, min_days: int = 0, references: Mapping[str, ReferencePrice] | None = None
) -> list[Event]:
    policy = load("moscow")
    policy = msgspec.structs.replace(policy, pool=msgspec.structs.replace(policy.pool, min_enrolment_days=min_days))
    calendar = RegionCalendar("Europe/Moscow", "RU")
    return list(open_pool(command, policy=policy, calendar=calendar, references=references or {}, now=NOW))


class Story:
    """A pool and everything that happened to it."""

    def __init__(self, **changes: Any) -> None:
        self.happened = opening(terms(**changes))
        self.pool: Pool = apply(None, self.happened[0])

    def does(self, command: Command, at: datetime = NOW) -> list[Event]:
        events = list(decide(self.pool, command, at))
        for event in events:
            self.pool = apply(self.pool, event)
        self.happened += events
        return events

    def enrols(self, who: str, *, paper: str = "", pens: str = "", tolerance: str = "0", minute: int = 0) -> "Story":
        wants = {"paper": paper, "pens": pens}
        demands = (Demand(line_id=k, firm=Decimal(v), tolerance=Decimal(tolerance)) for k, v in wants.items() if v)
        self.does(an_enrolment(who, tuple(demands)), NOW + timedelta(minutes=minute))
        return self

    def sourced(self, lead: str = "lead") -> "Story":
        self.does(Freeze(by=lead))
        self.does(RequestSourcing(by=lead, place=MOSCOW, step_percent=Decimal("0.5")))
        assert self.pool.stage is PoolStage.SOURCING
        return self

    def allocated(self, total: str, **changes: Any) -> PoolAllocated:
        (event,) = self.does(self.result(total, **changes))
        assert isinstance(event, PoolAllocated)
        return event

    def result(self, total: str, **changes: Any) -> RecordResult:
        """Return what auctions would announce for the sourced demand, at this total."""
        sourcing = self.pool.sourcing
        assert sourcing is not None
        priced = {line.line_id: line for line in sourcing.lines}
        before = {
            key: Money((line.quantity or Decimal(0)) * (line.unit_price or Decimal(0)), "RUB").rounded()
            for key, line in priced.items()
        }
        after = lower_in_proportion(before, Money(Decimal(total), "RUB"))
        lines = tuple(msgspec.structs.replace(line, amount=after[key].amount) for key, line in priced.items())
        initial_price = sum((money.amount for money in before.values()), Decimal(0))
        closed = an_auction(lines, initial_price, Decimal(total), pool_id=self.pool.opened.pool_id)
        return RecordResult(closed=closed, **changes)


def test_the_policy_that_a_pool_opened_under_goes_with_it_to_its_sourcing_and_its_contracts() -> None:
    story = Story().enrols("lead", paper="40").sourced()
    allocated = story.allocated("190.00")
    text = story.pool.opened.policy_text
    assert of_process(text, "") == load("moscow")
    assert story.pool.sourcing is not None
    assert (story.pool.sourcing.policy_text, allocated.policy_text) == (text, text)


def test_a_pool_goes_by_the_policy_that_it_opened_under_and_one_of_the_former_release_by_the_name() -> None:
    pool = Story().pool
    began = msgspec.structs.replace(load("moscow"), title="As it was")
    for text, title in ((text_of(began), "As it was"), ("", load("moscow").title)):
        opened = msgspec.structs.replace(pool.opened, policy_text=text)
        kept = StoredPool(pool=msgspec.structs.replace(pool, opened=opened), opened_at=NOW)
        assert policy_of(kept).title == title


def an_enrolment(who: str, demands: Iterable[Demand], **changes: Any) -> Enrol:
    usual: dict[str, Any] = {"member_name": who.title(), "place": MOSCOW}
    return Enrol(member_id=who, demands=tuple(demands), **(usual | changes))


def an_auction(
    lines: tuple[Line, ...], initial_price: Decimal, amount: Decimal | None, pool_id: str = "pool"
) -> AuctionClosed:
    return AuctionClosed(
        auction_id="auction",
        buyer_id="lead",
        title="Paper and pens",
        kind="goods",
        category=Category(code="30197630"),
        place=MOSCOW,
        currency="RUB",
        initial_price=initial_price,
        outcome="successful" if amount is not None else "unsuccessful",
        amount=amount,
        winner_id="winner" if amount is not None else None,
        participants=2,
        bids=3,
        lines=lines,
        policy="moscow",
        opened_at=NOW,
        closed_at=LATER,
        pool_id=pool_id,
    )


def demand(firm: str = "5", tolerance: str = "0", line_id: str = "pens") -> Demand:
    return Demand(line_id=line_id, firm=Decimal(firm), tolerance=Decimal(tolerance))


class TestOpening:
    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"lines": ()}, PoolWithoutLines),
            ({"lines": (PAPER, PAPER)}, LineIdRepeated),
            ({"lines": (msgspec.structs.replace(PENS, unit_price=None),)}, LineNotPriced),
            ({"lines": (msgspec.structs.replace(PENS, pack_size=Decimal(0)),)}, PackNotPositive),
            ({"category": Category(code="banana")}, MalformedCategory),
            ({"regions": ("RU-NOWHERE",)}, UnknownRegion),
            ({"lines": (msgspec.structs.replace(PENS, category=Category(code="99")),)}, UnknownDivision),
            (
                {"lines": (PAPER, msgspec.structs.replace(PENS, category=Category(code="09100000")))},
                NotOneFunctionalGroup,
            ),
            ({"currency": "EUR"}, NotTheMarketsCurrency),
            ({"currency": "banana"}, NotTheMarketsCurrency),
            ({"kind": "banana"}, UnknownKind),
            ({"duration_minutes": 7}, DurationNotOffered),
            ({"duration_minutes": 180, "kind": "works"}, DurationNotOffered),
            ({"title": " "}, TitleMissing),
            ({"minimum_quantity": Decimal(0)}, MinimumNotPositive),
            ({"below_minimum": "shrug"}, UnknownChoiceBelowMinimum),
            ({"savings_rule": "lottery"}, UnknownSavingsRule),
            ({"enrolment_ends_at": NOW}, EnrolmentTooShort),
        ],
    )
    def test_terms_that_break_a_rule_are_refused_by_its_name(
        self, changes: dict[str, Any], rule: type[Exception]
    ) -> None:
        with pytest.raises(rule):
            opening(terms(**changes))

    @given(
        kind=st.sampled_from(["goods", "services", "works", "banana"]),
        currency=st.sampled_from(["RUB", "EUR", "ARS", "rub"]),
        minutes=st.sampled_from([3, 7, 180, 360, 1440, 10080]),
        divisions=st.lists(st.sampled_from(["30197642", "30230000", "09100000"]), min_size=1, max_size=3),
        policy=st.sampled_from(["moscow", "pregao", "acordar", "demo"]),
    )
    def test_a_pool_opens_exactly_if_its_auction_can_be_opened(
        self, kind: str, currency: str, minutes: int, divisions: list[str], policy: str
    ) -> None:
        rules = load(policy)
        calendar = RegionCalendar("Europe/Moscow", "RU")
        command = terms(
            kind=kind,
            currency=currency,
            duration_minutes=minutes,
            category=Category(code=divisions[0]),
            lines=tuple(
                msgspec.structs.replace(PENS, line_id=str(number), category=Category(code=code))
                for number, code in enumerate(divisions)
            ),
            enrolment_ends_at=NOW + timedelta(days=60),
        )
        auction = OpenAuction(
            auction_id="auction",
            buyer_id="lead",
            buyer_name="City Hall",
            title=command.title,
            kind=kind,
            category=command.category,
            place=MOSCOW,
            currency=currency,
            lines=tuple(msgspec.structs.replace(line, quantity=Decimal(40)) for line in command.lines),
            duration_minutes=minutes,
            step_percent=(*rules.auction.step_percents, Decimal(1))[0],
        )

        def refused(act: Callable[[], object]) -> tuple[type[RuleBroken], str, str | None] | None:
            try:
                act()
            except RuleBroken as broken:
                return type(broken), broken.message, broken.field
            return None

        of_auction = refused(lambda: open_auction(auction, policy=rules, calendar=calendar, references={}, now=NOW))
        of_pool = refused(lambda: open_pool(command, policy=rules, calendar=calendar, references={}, now=NOW))
        assert of_pool == of_auction

    @pytest.mark.parametrize(("kind", "ceiling"), [("goods", 5_000_000), ("works", 3_000_000), ("services", 3_000_000)])
    def test_a_minimum_that_no_auction_may_buy_opens_no_pool(self, kind: str, ceiling: int) -> None:
        """A pack of five reams costs 25, a ream 5, a pen 0.70: as many pens as the ceiling buys are the limit."""
        most = Decimal(ceiling) / PENS.unit_price
        with pytest.raises(CeilingExceeded) as caught:
            opening(terms(kind=kind, duration_minutes=1440, minimum_quantity=most + 1))
        assert caught.value.field == "minimum_quantity"
        assert caught.value.numbers["ceiling"] == ceiling < caught.value.numbers["least"]
        assert opening(terms(kind=kind, duration_minutes=1440, minimum_quantity=most.to_integral_value(ROUND_DOWN)))
        assert opening(terms(kind=kind, duration_minutes=1440, lines=(PAPER,), minimum_quantity=Decimal(ceiling) / 5))
        with pytest.raises(CeilingExceeded):
            opening(terms(kind=kind, duration_minutes=1440, lines=(PAPER,), minimum_quantity=Decimal(ceiling) / 5 + 1))

    def test_a_price_above_the_reference_that_binds_its_auction_opens_no_pool(self) -> None:
        def at(price: str, grade: str = "A") -> dict[str, ReferencePrice]:
            return {"pens": ReferencePrice("ref", grade, Decimal(price))}

        with pytest.raises(AboveReferencePrice) as caught:
            opening(terms(), references=at("0.69"))
        assert (caught.value.field, caught.value.numbers["line"]) == ("lines", "pens")
        assert opening(terms(), references=at("0.70")) and opening(terms(), references=at("0.69", grade="D"))

    def test_an_end_that_has_passed_is_said_without_working_days(self) -> None:
        for days in (0, 8):
            with pytest.raises(EnrolmentTooShort) as caught:
                opening(terms(enrolment_ends_at=NOW), min_days=days)
            assert caught.value.message == "Enrolment must end in the future; it is now 2026-11-02 09:00 UTC."

    def test_a_policy_may_demand_working_days_of_enrolment(self) -> None:
        with pytest.raises(EnrolmentTooShort):
            opening(terms(), min_days=8)
        assert opening(terms(enrolment_ends_at=NOW + timedelta(days=20)), min_days=8)


class TestEnrolment:
    def test_an_edit_replaces_the_demand_and_keeps_the_place_in_the_order(self) -> None:
        story = Story().enrols("a", pens="5").enrols("b", pens="5", minute=1).enrols("a", pens="7", minute=2)
        assert [(w.member_id, w.firm, w.enrolled_at) for w in story.pool.wants["pens"]] == [
            ("a", 7, NOW),
            ("b", 5, NOW + timedelta(minutes=1)),
        ]

    @pytest.mark.parametrize(
        ("command", "rule"),
        [
            (an_enrolment("a", [demand("0")]), FirmQuantityNotPositive),
            (an_enrolment("a", [demand("NaN")]), FirmQuantityNotPositive),
            (an_enrolment("a", []), DemandMissing),
            (an_enrolment("a", [demand("1E+12")]), QuantityAbsurd),
            (an_enrolment("a", [demand("1", "Infinity")]), QuantityAbsurd),
            (an_enrolment("a", [demand("1", "-1")]), ToleranceNegative),
            (an_enrolment("a", [demand(line_id="ink")]), UnknownLine),
            (an_enrolment("a", [demand(), demand()]), DemandRepeated),
            (an_enrolment("a", [demand()], place=Place(country="RU", region="RU-SPE")), PlaceOutsideRegions),
            (an_enrolment("a", [demand()], deliver_by=DEADLINE), DeliveryInThePast),
        ],
    )
    def test_an_enrolment_that_breaks_a_rule_is_refused_by_its_name(
        self, command: Enrol, rule: type[Exception]
    ) -> None:
        with pytest.raises(rule):
            Story().does(command)

    def test_the_log_of_a_pool_is_bounded_for_each_member_and_leaving_is_always_possible(self) -> None:
        story = Story().enrols("b", pens="1")
        for firm in range(1, MOST_CHANGES):
            story.enrols("a", pens=str(firm))
        story.does(WithdrawEnrolment(member_id="a"))
        story.enrols("a", pens="5")
        with pytest.raises(EnrolmentChangedTooOften) as broken:
            story.enrols("a", pens="6")
        assert broken.value.numbers["most"] == MOST_CHANGES
        story.enrols("a", pens="5").enrols("b", pens="2")
        story.does(WithdrawEnrolment(member_id="a"))
        assert list(story.pool.members) == ["b"]
        with pytest.raises(EnrolmentChangedTooOften):
            story.enrols("a", pens="5")

    def test_a_pool_does_not_grow_with_those_who_come_and_go(self) -> None:
        story, weighed = Story().enrols("b", pens="1"), []
        for number in range(4 * MOST_REMEMBERED):
            who = f"org-{number % 2}-{number:05}"
            story.enrols(who, pens="5")
            story.does(WithdrawEnrolment(member_id=who, reason="x" * 10))
            assert who in story.pool.withdrawn and story.does(WithdrawEnrolment(member_id=who, reason="x" * 10)) == []
            weighed.append(len(msgspec.json.encode(story.pool)))
        assert weighed[-1] == weighed[MOST_REMEMBERED] and story.pool.told.keys() - story.pool.withdrawn == {"b"}

    def test_the_log_reminds_the_pool_of_the_former_acts_of_a_member(self) -> None:
        story = Story()
        story.pool = story.pool.reminded("a", Past(told=MOST_CHANGES, left="no funds"))
        assert story.does(WithdrawEnrolment(member_id="a", reason="no funds")) == []
        with pytest.raises(DoneOtherwise):
            story.does(WithdrawEnrolment(member_id="a", reason="found some"))
        with pytest.raises(EnrolmentChangedTooOften):
            story.enrols("a", pens="5")
        story.pool = story.pool.reminded("a", Past(told=1, left=None))
        with pytest.raises(NotEnrolled):
            story.does(WithdrawEnrolment(member_id="a"))
        assert story.enrols("a", pens="5").pool.told == {"a": 2}

    def test_a_full_pool_takes_in_nobody_and_its_members_still_change_and_leave(self) -> None:
        story = Story()
        (first,) = story.does(an_enrolment("m0", (Demand(line_id="pens", firm=Decimal(5)),)))
        many = {f"m{number}": msgspec.structs.replace(first, member_id=f"m{number}") for number in range(MOST_MEMBERS)}
        story.pool = msgspec.structs.replace(story.pool, members=many)
        with pytest.raises(PoolFull) as broken:
            story.enrols("late", pens="5")
        assert broken.value.numbers["most"] == MOST_MEMBERS
        assert story.enrols("m0", pens="6").pool.members["m0"].demands[0].firm == 6
        story.does(WithdrawEnrolment(member_id="m1"))
        assert "late" in story.enrols("late", pens="5").pool.members

    def test_nobody_enrols_from_the_deadline_on_even_before_the_timer(self) -> None:
        with pytest.raises(EnrolmentOver):
            Story().does(an_enrolment("a", [demand()]), DEADLINE)

    def test_nobody_edits_after_the_freeze(self) -> None:
        story = Story().enrols("a", pens="40")
        story.does(Freeze(by="lead"))
        with pytest.raises(WrongStage):
            story.enrols("a", pens="41")

    def test_withdrawing_before_the_freeze_is_free_and_once(self) -> None:
        story = Story().enrols("a", pens="40")
        (event,) = story.does(WithdrawEnrolment(member_id="a"))
        assert isinstance(event, PoolMemberWithdrew) and not event.default
        assert story.pool.members == {} and story.does(WithdrawEnrolment(member_id="a")) == []
        with pytest.raises(NotEnrolled):
            story.does(WithdrawEnrolment(member_id="stranger"))

    def test_withdrawing_again_for_another_reason_is_refused_until_the_member_enrols_again(self) -> None:
        story = Story().enrols("a", pens="40")
        story.does(WithdrawEnrolment(member_id="a", reason="no funds"))
        assert story.does(WithdrawEnrolment(member_id="a", reason="no funds")) == []
        with pytest.raises(DoneOtherwise, match="“no funds”"):
            story.does(WithdrawEnrolment(member_id="a", reason="found some"))
        story.enrols("a", pens="40")
        (event,) = story.does(WithdrawEnrolment(member_id="a", reason="found some"))
        assert isinstance(event, PoolMemberWithdrew) and event.reason == "found some"

    def test_a_withdrawal_of_a_former_release_is_not_compared_since_its_reason_was_not_kept(self) -> None:
        story = Story().enrols("a", pens="40")
        story.does(WithdrawEnrolment(member_id="a", reason="no funds"))
        story.pool = msgspec.structs.replace(story.pool, reasons={})
        assert story.does(WithdrawEnrolment(member_id="a", reason="found some")) == []

    def test_cancelled_again_for_another_reason_it_is_refused_and_one_that_cancelled_itself_is_not_cancelled(
        self,
    ) -> None:
        story = Story().enrols("a", pens="40")
        story.does(CancelPool(by="lead", reason="no funds"))
        assert story.does(CancelPool(by="lead", reason="no funds")) == []
        with pytest.raises(DoneOtherwise, match="“no funds”"):
            story.does(CancelPool(by="lead", reason="found some"))
        empty = Story().enrols("a", pens="40").sourced()
        empty.does(WithdrawEnrolment(member_id="a", reason="no funds"))
        with pytest.raises(WrongStage):
            empty.does(CancelPool(by="lead", reason="no funds"))

    def test_sourced_again_with_other_terms_it_is_refused(self) -> None:
        story = Story().enrols("a", pens="40").sourced()
        asked = RequestSourcing(by="lead", place=MOSCOW, step_percent=Decimal("0.5"))
        assert story.does(asked) == []
        for other in (
            {"step_percent": Decimal(1)},
            {"duration_minutes": 61},
            {"unit_prices": {"pens": Decimal("0.01")}},
        ):
            with pytest.raises(DoneOtherwise):
                story.does(msgspec.structs.replace(asked, **other))
        with pytest.raises(UnknownLine):
            story.does(msgspec.structs.replace(asked, unit_prices={"pencils": Decimal("0.1")}))


class TestFreeze:
    def test_the_lead_freezes_early_and_the_lines_carry_the_packs_to_buy(self) -> None:
        story = Story().enrols("a", paper="23", pens="30", tolerance="2").enrols("b", paper="11")
        (event,) = story.does(Freeze(by="lead"))
        assert isinstance(event, PoolFrozen) and event.members == 2
        assert {line.line_id: line.quantity for line in event.lines} == {"paper": 5 + 2, "pens": 30}
        assert story.does(Freeze(by="lead")) == []

    def test_only_the_lead_and_only_from_the_minimum_on(self) -> None:
        story = Story().enrols("a", pens="39")
        with pytest.raises(NotTheLead):
            story.does(Freeze(by="a"))
        with pytest.raises(MinimumNotReached) as broken:
            story.does(Freeze(by="lead"))
        assert broken.value.numbers == {"firm": 39, "minimum": 40}

    def test_a_demand_that_fills_no_pack_is_not_frozen(self) -> None:
        story = Story(lines=(msgspec.structs.replace(PENS, pack_size=Decimal(100)),)).enrols("a", pens="40")
        with pytest.raises(NoPackFilled) as broken:
            story.does(Freeze(by="lead"))
        assert broken.value.numbers == {"firm": 40}

    def test_a_timer_that_fires_early_changes_nothing(self) -> None:
        assert Story().enrols("a", pens="40").does(EndEnrolment(extend_to=LATER), NOW) == []

    def test_at_the_deadline_a_viable_pool_is_frozen(self) -> None:
        story = Story().enrols("a", pens="40")
        story.does(EndEnrolment(extend_to=LATER), DEADLINE)
        assert story.pool.stage is PoolStage.FROZEN

    def test_below_the_minimum_it_is_cancelled_with_the_numbers(self) -> None:
        (event,) = Story().enrols("a", pens="39").does(EndEnrolment(extend_to=LATER), DEADLINE)
        assert isinstance(event, PoolCancelled) and event.refusal.rule == "minimum-not-reached"

    def test_or_runs_smaller_unless_nobody_came(self) -> None:
        story = Story(below_minimum="smaller").enrols("a", pens="39")
        story.does(EndEnrolment(extend_to=LATER), DEADLINE)
        assert story.pool.stage is PoolStage.FROZEN
        (event,) = Story(below_minimum="smaller").does(EndEnrolment(extend_to=LATER), DEADLINE)
        assert isinstance(event, PoolCancelled)

    def test_or_is_extended_once_and_then_cancelled(self) -> None:
        story = Story(below_minimum="extend-once").enrols("a", pens="39")
        (event,) = story.does(EndEnrolment(extend_to=LATER), DEADLINE)
        assert isinstance(event, PoolExtended) and event.enrolment_ends_at == LATER
        assert story.does(EndEnrolment(extend_to=LATER), DEADLINE) == []
        story.does(EndEnrolment(extend_to=LATER), LATER)
        assert story.pool.stage is PoolStage.CANCELLED

    def test_the_lead_alone_cancels_with_a_reason_until_the_auction_runs(self) -> None:
        story = Story().enrols("a", pens="40")
        with pytest.raises(NotTheLead):
            story.does(CancelPool(by="a", reason="spite"))
        running = Story().enrols("a", pens="40").sourced()
        with pytest.raises(WrongStage):
            running.does(CancelPool(by="lead", reason="too late"))
        (event,) = story.does(CancelPool(by="lead", reason="no budget"))
        assert isinstance(event, PoolCancelled) and event.refusal.message == "no budget"


class TestDefault:
    def test_after_the_freeze_a_withdrawal_is_a_default_and_the_rest_is_announced_anew(self) -> None:
        story = Story().enrols("a", pens="40").enrols("b", pens="10")
        story.does(Freeze(by="lead"))
        left, again = story.does(WithdrawEnrolment(member_id="b", reason="no funds"))
        assert isinstance(left, PoolMemberWithdrew) and left.default
        assert isinstance(again, PoolFrozen) and again.lines[0].quantity == 40

    def test_the_others_keep_their_unit_price_when_one_defaults_during_the_auction(self) -> None:
        story = Story().enrols("a", pens="40").enrols("b", pens="60").sourced()
        result = story.result("50.00")
        story.does(WithdrawEnrolment(member_id="b", reason="no funds"))
        (event,) = story.does(result)
        assert isinstance(event, PoolAllocated)
        assert [(each.member_id, each.amount) for each in event.allocations] == [("a", Decimal("20.00"))]

    def test_the_last_default_cancels(self) -> None:
        story = Story().enrols("a", pens="40").sourced()
        story.does(WithdrawEnrolment(member_id="a", reason="no funds"))
        assert story.pool.stage is PoolStage.CANCELLED

    @pytest.mark.parametrize("reason", ["", "   "])
    def test_a_default_says_why(self, reason: str) -> None:
        story = Story().enrols("a", pens="40").enrols("b", pens="10")
        story.does(Freeze(by="lead"))
        with pytest.raises(DefaultUnexplained):
            story.does(WithdrawEnrolment(member_id="b", reason=reason))
        assert "b" in story.pool.members


class TestResult:
    def test_one_winner_serves_everybody_at_one_unit_price_and_savings_are_named(self) -> None:
        story = Story().enrols("a", paper="23", tolerance="2").enrols("b", paper="11", pens="30").sourced()
        event = story.allocated("150.00", alone={("b", "pens"): Decimal("1.00")})
        a, b = event.allocations
        assert [(line.line_id, line.quantity) for line in (*a.lines, *b.lines)] == [
            ("paper", 5),
            ("paper", 2),
            ("pens", 30),
        ]
        assert (a.standalone, b.standalone) == (Decimal("125.00"), Decimal("80.00"))
        assert event.amount == 150 and event.saving == 55

    def test_an_unsuccessful_auction_leaves_the_demand_frozen_to_try_again(self) -> None:
        story = Story().enrols("a", pens="40").sourced()
        (nobody,) = story.does(RecordResult(closed=an_auction((), Decimal(28), None)))
        assert isinstance(nobody, PoolSourcingFailed) and nobody.refusal.rule == "nobody-bid"
        assert story.pool.stage is PoolStage.FROZEN
        story.does(RequestSourcing(by="lead", place=MOSCOW, step_percent=Decimal(1)))
        refused = Refusal(rule="above-ceiling", message="Too much.")
        (event,) = story.does(RecordSourcingRefused(refusal=refused))
        assert event == PoolSourcingFailed(pool_id="pool", refusal=refused)
        assert story.pool.stage is PoolStage.FROZEN and story.pool.refusal == refused
        assert story.does(RecordSourcingRefused(refusal=refused)) == []

    def test_initial_prices_can_be_lowered_for_the_auction_but_never_raised(self) -> None:
        story = Story().enrols("a", pens="40")
        story.does(Freeze(by="lead"))
        ask = RequestSourcing(by="lead", place=MOSCOW, step_percent=Decimal(1), unit_prices={"pens": Decimal("0.71")})
        with pytest.raises(InitialPriceRaised):
            story.does(ask)
        with pytest.raises(UnknownLine):
            story.does(msgspec.structs.replace(ask, unit_prices={"pens": Decimal("0.65"), "pencils": Decimal("0.1")}))
        (event,) = story.does(msgspec.structs.replace(ask, unit_prices={"pens": Decimal("0.65")}))
        assert isinstance(event, PoolSourcingRequested) and event.lines[0].unit_price == Decimal("0.65")

    def test_each_sourcing_is_an_attempt_of_its_own(self) -> None:
        story = Story().enrols("a", pens="40").sourced()
        story.does(RecordResult(closed=an_auction((), Decimal(28), None)))
        (event,) = story.does(RequestSourcing(by="lead", place=MOSCOW, step_percent=Decimal(1)))
        assert isinstance(event, PoolSourcingRequested) and event.attempt == 2

    def test_closes_when_every_contract_has_ended_signed_or_not(self) -> None:
        story = Story().enrols("a", pens="40").enrols("b", pens="5").sourced()
        story.allocated("20.00")
        assert story.does(CloseContracting(concluded={"a": True})) == []
        (event,) = story.does(CloseContracting(concluded={"a": True, "b": False}))
        assert event == PoolClosed(pool_id="pool", contracts=2, concluded=1)
        with pytest.raises(WrongStage):
            story.does(WithdrawEnrolment(member_id="a"))

    @given(
        st.lists(
            st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 6), st.booleans()), min_size=1, max_size=7
        ),
        st.integers(1, 100),
    )
    def test_amounts_and_savings_sum_exactly_every_repeat_is_silent_and_a_replay_ends_the_same(
        self, members: list[tuple[int, int, int, bool]], percent: int
    ) -> None:
        story = Story(minimum_quantity=Decimal(1))
        for number, (paper, pens, tolerance, _) in enumerate(members):
            story.enrols(f"m{number}", paper=str(paper), pens=str(pens), tolerance=str(tolerance), minute=number)
        story.sourced()
        assert story.pool.sourcing is not None
        initial = sum(
            ((line.quantity or 0) * (line.unit_price or 0) for line in story.pool.sourcing.lines), start=Decimal(0)
        )
        total = (initial * percent / 100).quantize(Decimal("0.01"))
        result = story.result(str(total))
        for number, (*_, defaults) in enumerate(members):
            if defaults and number:
                story.does(WithdrawEnrolment(member_id=f"m{number}", reason="no funds"))
        (event,) = story.does(result)
        assert isinstance(event, PoolAllocated)
        if not any(defaults for *_, defaults in members[1:]):
            assert event.amount == total
        assert event.amount == sum(line.amount or 0 for each in event.allocations for line in each.lines)
        assert event.amount == sum(each.amount for each in event.allocations) <= total
        assert event.saving == sum(each.saving for each in event.allocations) == event.standalone - event.amount
        assert story.does(result) == []
        replayed: Pool | None = None
        for each in story.happened:
            replayed = apply(apply(replayed, each), each)
        assert replayed == story.pool
