"""Rules of quick quotes: opening, sealed quotes, the choice."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.categories import MalformedCategory, NotOneFunctionalGroup, UnknownDivision
from catalogue.policy import load, of_process
from catalogue.rules import (
    DoneOtherwise,
    LineQuantityNotPositive,
    NotTheBuyer,
    PriceAbsurd,
    QuantityAbsurd,
    QuantityTooFine,
    RuleBroken,
    UnknownLine,
)
from events.pools import PoolClosed
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.values import Category
from services.quotes.domain import choosing, opening, quoting
from services.quotes.domain.request import (
    QuoteSealed,
    QuoteWithdrawn,
    Request,
    RequestStage,
    TextTooLong,
    apply,
)
from tests.services.quotes.builders import AFTER, DEADLINE, MONDAY, MOSCOW, WHY, Asked, a_line, three_quotes


class TestOpening:
    def test_a_request_says_until_when_quotes_come_and_the_choice_is_made(self) -> None:
        story = Asked()
        assert (story.opened.closes_at, story.opened.choose_by) == (DEADLINE, DEADLINE + timedelta(days=2))
        assert (story.request.stage, story.opened.currency, story.opened.policy) == (RequestStage.OPEN, "RUB", "moscow")

    def test_a_request_is_for_a_kind_that_its_policy_has(self) -> None:
        brazil, argentina = load("pregao"), load("acordar")
        with pytest.raises(opening.UnknownKind, match="goods, services, not 'works'") as refused:
            Asked(brazil, kind="works")
        assert (refused.value.field, refused.value.numbers["kinds"]) == ("kind", ("goods", "services"))
        assert Asked(brazil, kind="services").opened.kind == "services"
        assert Asked(argentina, kind="works").opened.kind == "works"  # no live auctions, so no kinds of their own

    @pytest.mark.parametrize(
        ("changes", "rule", "field"),
        [
            ({"standing": "suspended"}, opening.BuyerNotActive, None),
            ({"title": "  "}, opening.TitleMissing, "title"),
            ({"title": "x" * 301}, TextTooLong, "title"),
            ({"requirements": "x" * 4001}, TextTooLong, "requirements"),
            ({"kind": "gifts"}, opening.UnknownKind, "kind"),
            ({"kind": ""}, opening.UnknownKind, "kind"),
            ({"lines": ()}, opening.RequestWithoutLines, "lines"),
            ({"lines": (a_line(),) * 101}, opening.TooManyLines, "lines"),
            ({"lines": (a_line(description=" "),)}, opening.LineNotComplete, "lines"),
            ({"lines": (a_line(category=None),)}, opening.LineNotComplete, "lines"),
            ({"lines": (a_line(quantity="0"),)}, LineQuantityNotPositive, "lines"),
            ({"lines": (a_line(quantity="-2.1234567"),)}, LineQuantityNotPositive, "lines"),
            ({"lines": (a_line(quantity="1000000000000"),)}, QuantityAbsurd, "lines"),
            ({"lines": (a_line(quantity="NaN"),)}, LineQuantityNotPositive, "lines"),
            ({"lines": (a_line(quantity="0.0000001"),)}, QuantityTooFine, "lines"),
            ({"lines": (a_line(), a_line("2", category=Category(code="33190000")))}, NotOneFunctionalGroup, "lines"),
            ({"lines": (a_line(category=Category(code="banana")),)}, MalformedCategory, "lines"),
            ({"lines": (a_line(category=Category(code="99")),)}, UnknownDivision, "lines"),
            ({"closes_at": DEADLINE - timedelta(seconds=1)}, opening.DeadlineTooSoon, "closes_at"),
            ({"closes_at": MONDAY - timedelta(days=1)}, opening.DeadlineInThePast, "closes_at"),
            ({"closes_at": MONDAY}, opening.DeadlineInThePast, "closes_at"),
            ({"closes_at": MONDAY + timedelta(seconds=1)}, opening.DeadlineTooSoon, "closes_at"),
            ({"closes_at": MONDAY + timedelta(days=31)}, opening.DeadlineTooFar, "closes_at"),
            ({"closes_at": datetime.max.replace(tzinfo=UTC)}, opening.DeadlineTooFar, "closes_at"),
            ({"closes_at": datetime(2026, 11, 17, 10)}, opening.DeadlineWithoutZone, "closes_at"),
        ],
    )
    def test_what_the_rules_forbid_is_refused_by_name(self, changes, rule, field) -> None:
        with pytest.raises(rule) as refused:
            Asked(**changes)
        assert refused.value.field == field

    def test_the_policy_that_it_opened_under_goes_with_it_to_the_contract(self) -> None:
        story = Asked(policy=msgspec.structs.replace(MOSCOW, title="As it was"))
        (closed,) = [fact for fact in story.ended() if isinstance(fact, QuoteRequestClosed)]
        assert of_process(closed.policy_text, "").title == "As it was"

    def test_a_market_without_quick_quotes_says_so(self) -> None:
        with pytest.raises(opening.NoQuickQuotes):
            Asked(policy=msgspec.structs.replace(MOSCOW, quote=None))

    def test_a_deadline_on_a_day_off_moves_to_the_next_working_day(self) -> None:
        saturday = datetime(2026, 11, 21, 7, tzinfo=UTC)
        assert Asked(closes_at=saturday).opened.closes_at == saturday + timedelta(days=2)

    def test_a_rehearsal_counts_minutes(self) -> None:
        story = Asked(policy=load("demo"), closes_at=MONDAY + timedelta(minutes=3))
        assert story.opened.choose_by == MONDAY + timedelta(minutes=63)


class TestQuoting:
    def test_the_total_is_exact_and_each_line_rounded_once(self) -> None:
        story = Asked()
        (sealed,) = story.quoted("one", "0.005")
        assert isinstance(sealed, QuoteSealed)
        assert [line.amount for line in sealed.quote.lines] == [Decimal("0.50"), Decimal("0.02")]  # half-even
        assert sealed.quote.amount == Decimal("0.52")
        assert {(line.vat_included, line.vat_rate) for line in sealed.quote.lines} == {(True, Decimal(20))}

    def test_how_late_a_quote_may_deliver_is_a_number_of_the_policy(self) -> None:
        rules = msgspec.structs.replace(MOSCOW.quote, longest_delivery_days=400)
        story = Asked(policy=msgspec.structs.replace(MOSCOW, quote=rules))
        story.quoted("one", "10", delivery_days=400)
        with pytest.raises(quoting.DeliveryNotValid) as refused:
            story.quoted("one", "10", delivery_days=401)
        assert refused.value.numbers["longest"] == 400

    def test_a_change_is_the_next_version_and_the_same_again_is_none(self) -> None:
        story = Asked()
        story.quoted("one", "10")
        (second,) = story.quoted("one", "9", at=MONDAY + timedelta(minutes=5), quote_id="another")
        assert isinstance(second, QuoteSealed)
        assert (second.quote.version, second.quote.quote_id) == (2, "quote-of-one")
        assert story.quoted("one", "9", at=MONDAY + timedelta(minutes=9)) == ()
        assert story.quotes["one"].arrived_at == MONDAY + timedelta(minutes=5)

    def test_a_quote_is_withdrawn_once_and_may_come_again(self) -> None:
        story = Asked()
        story.quoted("one", "10")
        (gone,) = story.withdrawn("one")
        assert isinstance(gone, QuoteWithdrawn) and story.compared.standing == ()
        assert story.withdrawn("one") == ()
        story.quoted("one", "10")
        assert [quote.version for quote in story.compared.standing] == [3]

    def test_a_quote_has_so_many_versions_and_can_be_withdrawn_after_the_last(self) -> None:
        story = Asked()
        for number in range(quoting.MOST_VERSIONS):
            assert story.quoted("one", str(10 + number % 2))
        with pytest.raises(quoting.TooManyVersions):
            story.quoted("one", "9")
        assert story.quotes["one"].version == quoting.MOST_VERSIONS
        assert story.withdrawn("one")
        with pytest.raises(quoting.TooManyVersions):
            story.quoted("one", "9")
        assert story.compared.standing == ()

    def test_the_last_microsecond_before_the_deadline_is_in_time_and_the_deadline_is_not(self) -> None:
        story = Asked()
        story.quoted("one", "10", at=DEADLINE - timedelta(microseconds=1))
        for late in (DEADLINE, DEADLINE + timedelta(seconds=1)):
            with pytest.raises(quoting.QuotingOver):
                story.quoted("two", "9", at=late)
            with pytest.raises(quoting.QuotingOver):
                story.withdrawn("one", at=late)

    def test_after_the_end_nothing_is_taken_in_whenever_it_arrived(self) -> None:
        story = three_quotes()
        with pytest.raises(quoting.QuotingOver):
            story.quoted("four", "1", at=MONDAY)

    @pytest.mark.parametrize(
        ("changes", "rule", "field"),
        [
            ({"supplier_id": "school"}, quoting.BuyerCannotQuote, None),
            ({"standing": "suspended"}, quoting.SupplierNotActive, None),
            ({"prices": {"1": Decimal(1)}}, quoting.PriceMissing, "price-2"),
            ({"prices": {str(n): Decimal(1) for n in (1, 2, 3)}}, UnknownLine, "prices"),
            ({"prices": {"1": Decimal(0), "2": Decimal(1)}}, quoting.PriceNotPositive, "price-1"),
            ({"prices": {"1": Decimal(1), "2": Decimal("-2")}}, quoting.PriceNotPositive, "price-2"),
            ({"prices": {"1": Decimal("-2.1234567"), "2": Decimal(1)}}, quoting.PriceNotPositive, "price-1"),
            ({"prices": {"1": Decimal("0.000001"), "2": Decimal(1)}}, quoting.ComesToNothing, "price-1"),
            ({"prices": {"1": Decimal(10**12), "2": Decimal(1)}}, PriceAbsurd, "price-1"),
            ({"prices": {"1": Decimal("NaN"), "2": Decimal(1)}}, quoting.PriceNotPositive, "price-1"),
            ({"prices": {"1": Decimal("1.0000001"), "2": Decimal(1)}}, quoting.PriceTooFine, "price-1"),
            ({"prices": {"1": Decimal(6000), "2": Decimal(1)}}, quoting.AboveCeiling, ""),
            ({"vat_rate": Decimal(101)}, quoting.VatNotValid, "vat_rate"),
            ({"vat_rate": Decimal("NaN")}, quoting.VatNotValid, "vat_rate"),
            ({"delivery_days": -1}, quoting.DeliveryNotValid, "delivery_days"),
            ({"delivery_days": 366}, quoting.DeliveryNotValid, "delivery_days"),
            ({"comment": "x" * 1001}, TextTooLong, "comment"),
            ({"comment": "Yours, NAME OF ONE"}, quoting.CommentNamesSupplier, "comment"),
            ({"comment": "Write to sales@one.example"}, quoting.CommentNamesSupplier, "comment"),
        ],
    )
    def test_what_the_rules_forbid_is_refused_by_name(self, changes, rule, field) -> None:
        story = Asked()
        with pytest.raises(rule) as refused:
            story.quoted("one", "10", **changes)
        assert refused.value.field == field
        assert story.quotes == {}

    def test_who_never_quoted_has_nothing_to_withdraw(self) -> None:
        with pytest.raises(quoting.NothingToWithdraw):
            Asked().withdrawn("one")


class TestEnd:
    def test_it_waits_for_what_arrived_before_the_deadline(self) -> None:
        story = Asked()
        story.quoted("one", "10")
        assert story.ended(DEADLINE) == ()
        (ended,) = story.ended(DEADLINE + timedelta(seconds=1))
        assert isinstance(ended, QuotingEnded)
        assert (ended.quotes, ended.ended_at, story.request.stage) == (1, DEADLINE, RequestStage.CHOOSING)
        assert story.ended() == ()

    def test_without_quotes_it_is_unsuccessful(self) -> None:
        story = Asked()
        story.quoted("one", "10")
        story.withdrawn("one")
        _, closed = story.ended()
        assert isinstance(closed, QuoteRequestClosed)
        assert (closed.outcome, closed.quotes, closed.cheapest, story.request.stage) == (
            "unsuccessful",
            0,
            None,
            RequestStage.UNSUCCESSFUL,
        )

    def test_numbers_do_not_follow_names_prices_or_arrival(self) -> None:
        """Participant numbers can have every order, because they follow from secret ids."""
        orders = set()
        for seed in range(60):
            story = Asked()
            for supplier, price in (("a", "1"), ("b", "2"), ("c", "3")):
                story.quoted(supplier, price, quote_id=f"secret-{seed}-{supplier}")
            story.ended()
            orders.add(tuple(sorted(story.numbers, key=story.numbers.__getitem__)))
        assert orders == set(permutations("abc"))


class TestChoice:
    def test_the_cheapest_needs_no_words_and_of_two_cheapest_either(self) -> None:
        for supplier in ("two", "three"):
            closed = three_quotes().chosen(supplier)[-1]
            assert isinstance(closed, QuoteRequestClosed)
            assert (closed.outcome, closed.winner_id, closed.amount) == ("awarded", supplier, Decimal("927.00"))

    def test_the_earlier_of_two_that_cost_the_same_comes_first(self) -> None:
        assert [quote.supplier_id for quote in three_quotes().compared.standing] == ["two", "three", "one"]

    def test_another_is_justified_in_public_words(self) -> None:
        story = three_quotes()
        for words in ("", "x" * 19, " " * 30):
            with pytest.raises(choosing.JustificationMissing) as refused:
                story.chosen("one", words)
            assert refused.value.field == "justification"
        *disclosed, closed = story.chosen("one", WHY)
        assert isinstance(closed, QuoteRequestClosed)
        assert (closed.justification, closed.cheapest, closed.amount) == (WHY, Decimal("927.00"), Decimal("1030.00"))
        assert closed.lines == story.quotes["one"].lines
        ranks = [
            (quote.supplier_id, quote.rank, quote.chosen) for quote in disclosed if isinstance(quote, QuoteDisclosed)
        ]
        assert ranks == [("one", 1, True), ("two", 2, False), ("three", 3, False)]

    def test_chosen_again_the_same_changes_nothing_and_another_is_refused(self) -> None:
        story = three_quotes()
        story.chosen("two")
        assert story.chosen("two") == ()
        with pytest.raises(choosing.RequestEnded):
            story.chosen("three")

    def test_the_same_choice_for_another_reason_is_refused_with_the_first_one(self) -> None:
        story = three_quotes()
        story.chosen("one", WHY)
        assert story.chosen("one", WHY) == ()
        with pytest.raises(DoneOtherwise) as refused:
            story.chosen("one", "It also comes in blue, which nobody else has.")
        assert WHY in refused.value.message

    def test_a_supplier_that_is_not_active_any_more_is_not_chosen_and_needs_no_justification(self) -> None:
        story = three_quotes()
        with pytest.raises(choosing.ParticipantNotActive) as refused:
            story.chosen("two", barred=frozenset({"two"}))
        assert "is not active any more" in refused.value.message, "it was suspended or closed"
        assert story.chosen("one", barred=frozenset({"two", "three"}))

    def test_only_the_buyer_chooses_among_those_there_are_after_the_deadline_and_in_time(self) -> None:
        story = three_quotes()
        with pytest.raises(NotTheBuyer):
            story.chosen("two", by="one")
        with pytest.raises(choosing.UnknownParticipant):
            story.chosen("two", participant=4)
        with pytest.raises(choosing.ChoosingOver):
            story.chosen("two", now=story.opened.choose_by)
        early = Asked()
        early.quoted("one", "10")
        with pytest.raises(choosing.ChoosingNotBegun):
            early.chosen("one", participant=1)
        with pytest.raises(choosing.ChoosingNotBegun):
            early.rejected("No")

    def test_the_buyer_may_reject_all_quotes_if_it_gives_a_reason(self) -> None:
        story = three_quotes()
        with pytest.raises(choosing.ReasonMissing):
            story.rejected(" ")
        with pytest.raises(NotTheBuyer):
            story.rejected("Too dear", by="one")
        *disclosed, closed = story.rejected("All are too dear")
        assert isinstance(closed, QuoteRequestClosed)
        assert (closed.outcome, closed.reason, closed.winner_id, closed.lines) == (
            "rejected",
            "All are too dear",
            None,
            (),
        )
        assert len(disclosed) == 3 and not any(quote.chosen for quote in disclosed)  # type: ignore[union-attr]
        assert story.rejected("All are too dear") == ()
        with pytest.raises(DoneOtherwise, match="“All are too dear”"):
            story.rejected("We found some")

    def test_a_request_is_withdrawn_before_its_deadline_and_what_was_quoted_stays_sealed(self) -> None:
        story = Asked()
        story.quoted("one", "10")
        with pytest.raises(choosing.ReasonMissing):
            story.called_off(" ")
        with pytest.raises(NotTheBuyer):
            story.called_off("We found some", by="one")
        with pytest.raises(choosing.WithdrawnAfterDeadline):
            story.called_off("We found some", now=DEADLINE)
        now = DEADLINE - timedelta(seconds=1)
        (closed,) = story.called_off("We found some", now=now)
        assert isinstance(closed, QuoteRequestClosed)
        assert (closed.outcome, closed.reason, closed.quotes, closed.ended_at) == ("withdrawn", "We found some", 1, now)
        assert (closed.cheapest, closed.winner_id, closed.lines) == (None, None, ())
        assert story.called_off(" We found some ", now=AFTER) == ()
        with pytest.raises(DoneOtherwise, match="“We found some”"):
            story.called_off("Once more", now=AFTER)
        for late in (now, AFTER):
            with pytest.raises(quoting.RequestWithdrawn) as refused:
                story.quoted("two", "9", at=late)
            assert f"withdrew this request at {now:%Y-%m-%d %H:%M:%S} UTC" in refused.value.message
            with pytest.raises(quoting.RequestWithdrawn):
                story.withdrawn("one", at=late)
        assert story.ended() == ()
        with pytest.raises(choosing.WithdrawnAfterDeadline, match="Now choose a participant, or reject all quotes"):
            three_quotes().called_off("Too late", now=AFTER)

    def test_the_refusal_of_a_withdrawal_or_choice_after_the_end_says_how_the_request_ended(self) -> None:
        awarded, rejected = three_quotes(), three_quotes()
        awarded.chosen("one", justification=WHY)
        rejected.rejected("All are too dear")
        for story, how in ((awarded, "awarded"), (rejected, "rejected")):
            with pytest.raises(choosing.RequestEnded, match=f"this one has ended: {how}"):
                story.called_off("Too late", now=AFTER)
            with pytest.raises(choosing.RequestEnded, match=f"The choice is over: the request has ended, {how}"):
                story.chosen("two", justification=WHY)

    def test_a_buyer_that_does_not_choose_lets_it_lapse(self) -> None:
        story = three_quotes()
        by = story.opened.choose_by
        assert choosing.lapse(story.request, story.compared, by - timedelta(seconds=1)) == ()
        *_, closed = story.keep(choosing.lapse(story.request, story.compared, by))
        assert isinstance(closed, QuoteRequestClosed) and closed.outcome == "lapsed"
        assert choosing.lapse(story.request, story.compared, by) == ()


def test_an_event_of_another_service_cannot_be_applied_to_a_request() -> None:
    with pytest.raises(TypeError):
        apply(Asked().request, PoolClosed(pool_id="p", contracts=1, concluded=1))


SUPPLIERS = st.sampled_from(["one", "two", "three", "four"])
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("quote"), SUPPLIERS, st.integers(1, 500_000)),
        st.tuples(st.just("withdraw"), SUPPLIERS, st.just(0)),
    ),
    max_size=14,
)


@given(ACTS, st.integers(0, 5), st.sampled_from(["", WHY]), st.sampled_from(["choose", "reject", "lapse"]))
def test_after_any_quotes_changes_and_withdrawals_nothing_is_published_before_the_end_and_the_winner_is_kept(
    acts: list[tuple[str, str, int]], participant: int, words: str, how: str
) -> None:
    story = Asked()
    last: dict[str, int | None] = {}
    for minute, (act, supplier, cents) in enumerate(acts):
        at = MONDAY + timedelta(minutes=minute)
        try:
            if act == "quote":
                story.quoted(supplier, str(Decimal(cents).scaleb(-2)), at=at)
                last[supplier] = cents
            else:
                story.withdrawn(supplier, at=at)
                last[supplier] = None
        except quoting.NothingToWithdraw:
            assert supplier not in last
    assert story.events == [story.opened] and isinstance(story.opened, QuoteRequestOpened)
    standing = {supplier: cents for supplier, cents in last.items() if cents is not None}
    assert {quote.supplier_id for quote in story.compared.standing} == set(standing)
    assert all(quote.amount == sum(line.amount or 0 for line in quote.lines) for quote in story.quotes.values())
    assert story.request.quoted == len(standing)

    story.ended()
    assert sorted(story.numbers.values()) == list(range(1, len(standing) + 1))
    try:
        if how == "choose":
            chosen = next((who for who, number in story.numbers.items() if number == participant), "nobody")
            story.chosen(chosen, words, participant=participant)
        elif how == "reject":
            story.rejected("Too dear")
        else:
            story.keep(choosing.lapse(story.request, story.compared, story.opened.choose_by))
    except RuleBroken:
        assert not standing or participant not in story.numbers.values() or words == ""
    closed = story.request.closed
    assert (closed is not None) or story.request.stage is RequestStage.CHOOSING
    if closed is not None and closed.winner_id is not None:
        assert closed.winner_id in standing and closed.winner == story.numbers[closed.winner_id]
        winner = story.quotes[closed.winner_id]
        assert closed.amount == winner.amount and not winner.withdrawn
        assert closed.amount == closed.cheapest or len(closed.justification) >= 20
    told = [event for event in story.events if isinstance(event, QuoteDisclosed)]
    if closed is not None:
        assert {quote.supplier_id for quote in told} == set(standing)
        assert story.events[-1] is closed
    else:
        assert told == []

    again: Request = msgspec.json.decode(msgspec.json.encode(story.request), type=Request)
    assert again == story.request
    replayed = Asked().request
    for fact in story.facts[1:]:
        replayed = apply(replayed, fact)
    assert replayed == story.request
