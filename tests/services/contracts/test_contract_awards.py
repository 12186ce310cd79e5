from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.calendar import RegionCalendar
from catalogue.money import Money
from events.contracts import CascadeAwaitsBuyer, ContractDrafted, ContractEnded
from events.pools import Allocation, PoolAllocated
from events.quotes import QuoteRequestClosed
from services.contracts.domain.awards import of_auction, of_pool, of_quote
from services.contracts.domain.cascade import priced
from services.contracts.domain.deals import Deal
from services.contracts.domain.deciding import RankedBid
from services.contracts.domain.refusals import Refuse
from services.contracts.domain.signing import ActivateNext
from tests.services.contracts.builders import CALENDAR, MONDAY, MOSCOW, PAPER, PLACE, Story, a_line, closed, opened

MEMBERS = {"school": "480.00", "clinic": "319.99", "museum": "0.01"}


def a_pool() -> PoolAllocated:
    return PoolAllocated(
        pool_id="pool",
        auction_id="auction",
        lead_id="school",
        title="Paper together",
        kind="goods",
        category=PAPER,
        currency="RUB",
        supplier_id="supplier-1",
        amount=D("800.00"),
        standalone=D("1000.00"),
        saving=D("200.00"),
        allocations=tuple(
            Allocation(
                member_id=member,
                member_name=member.title(),
                place=PLACE,
                lines=(a_line("1", amount),),
                amount=D(amount),
                standalone=D(amount),
                saving=D(0),
            )
            for member, amount in MEMBERS.items()
        ),
    )


def members_deals() -> dict[str, Story]:
    calendars = {member: CALENDAR for member in MEMBERS} | {"museum": RegionCalendar("Asia/Vladivostok", "RU")}
    deals = of_pool(a_pool(), winner_name="Supplier 1", policy=MOSCOW, calendars=calendars)
    return {deal.buyer_id: Story(deal, award) for deal, award in deals}


@pytest.mark.parametrize("result", [closed(amount=None, winner=None), closed(pool_id="pool")])
def test_an_auction_without_a_winner_or_of_a_pool_makes_no_deal(result):
    assert of_auction(opened(), result, winner_name="", policy=MOSCOW, calendar=CALENDAR) is None


def test_every_member_of_a_pool_has_a_contract_of_its_own_with_its_allocation():
    stories = members_deals()
    drafts = [draft for story in stories.values() for draft in story.events if isinstance(draft, ContractDrafted)]
    assert {draft.buyer_id: str(draft.amount) for draft in drafts} == MEMBERS
    assert sum(draft.amount for draft in drafts) == a_pool().amount
    assert {draft.process_id for draft in drafts} == {draft.pool_id for draft in drafts} == {"pool"}
    assert len({draft.contract_id for draft in drafts}) == len({draft.award_id for draft in drafts}) == len(MEMBERS)
    assert {draft.lines for draft in drafts} == {part.lines for part in a_pool().allocations}


def test_where_the_supplier_refuses_one_member_that_member_goes_to_the_next_and_the_rest_stands():
    stories = members_deals()
    story = stories["school"]
    ended, _, _, draft = story.tell(
        Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-1", explanation="No lorries")
    )
    assert isinstance(ended, ContractEnded) and ended.pool_id == "pool"
    assert draft.pool_id == "pool" and draft.supplier_id == "supplier-2"
    assert draft.amount == draft.lines[0].amount == D("486.01")  # 480 x 810.01 / 800, half-even
    assert stories["clinic"].contract.supplier_id == "supplier-1"


def a_choice(winner: str | None = "supplier-2") -> QuoteRequestClosed:
    """Supplier 2 was chosen at 850.00, though supplier 1 quoted 800.00."""
    return QuoteRequestClosed(
        request_id="request",
        buyer_id="school",
        buyer_name="School",
        title="Paper",
        kind="goods",
        category=PAPER,
        place=PLACE,
        currency="RUB",
        outcome="awarded" if winner else "lapsed",
        quotes=2,
        cheapest=D("800.00"),
        amount=D("850.00") if winner else None,
        winner_id=winner,
        winner=1 if winner else None,
        lines=(a_line("1", "500.00"), a_line("2", "350.00")) if winner else (),
        justification="Delivers before the term begins" if winner else "",
        reason="",
        policy="moscow",
        opened_at=MONDAY,
        ended_at=MONDAY,
        closed_at=MONDAY,
    )


def test_who_is_chosen_among_quotes_is_offered_the_contract_and_the_others_only_when_the_buyer_wants():
    own = (a_line("1", "790.00"), a_line("2", "10.00"))
    ranking = (
        RankedBid(rank=1, supplier_id="supplier-2", supplier_name="Two", amount=D("850.00")),
        RankedBid(rank=2, supplier_id="supplier-1", supplier_name="One", amount=D("800.00"), lines=own),
    )
    deal = of_quote(a_choice(), winner_name="Two", policy=MOSCOW, calendar=CALENDAR)
    story = Story(*deal, ranking)
    assert (story.contract.supplier_id, story.contract.amount, story.contract.step) == (
        "supplier-2",
        D("850.00"),
        "supplier-offer",
    )
    _, awaits = story.tell(
        Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-2", explanation="No lorries")
    )
    assert isinstance(awaits, CascadeAwaitsBuyer) and story.contract.state == "ended"
    story.tell(ActivateNext(contract_id=story.contract.contract_id, organisation_id="school"))
    assert (story.contract.supplier_id, story.contract.amount) == ("supplier-1", D("800.00"))
    assert story.contract.lines == own


def test_quotes_of_which_none_was_chosen_make_no_deal():
    assert of_quote(a_choice(winner=None), winner_name="", policy=MOSCOW, calendar=CALENDAR) is None


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=6).filter(any), st.integers(0, 10**9))
def test_lines_priced_anew_sum_exactly_and_keep_their_order(cents, total):
    lines = tuple(a_line(str(number), str(D(amount).scaleb(-2))) for number, amount in enumerate(cents))
    money = Money(D(total).scaleb(-2), "RUB")
    again = priced(lines, money)
    assert sum(line.amount for line in again) == money.amount
    assert [line.line_id for line in again] == [line.line_id for line in lines]
    assert all((line.unit_price * line.quantity).quantize(D("0.01")) == line.amount for line in again)


def test_an_allocation_that_costs_nothing_stays_free():
    free = (a_line("1", "0.00"), a_line("2", "0.00"))
    assert [line.amount for line in priced(free, Money(D("0.00"), "RUB"))] == [D("0.00"), D("0.00")]


def test_a_deal_can_be_stored_as_json_and_read_back():
    deal = next(iter(members_deals().values())).deal
    assert msgspec.json.decode(msgspec.json.encode(deal), type=Deal) == deal
