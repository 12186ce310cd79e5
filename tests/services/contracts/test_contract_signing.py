from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from catalogue.actors import Actor
from catalogue.policy import load
from catalogue.rules import DoneOtherwise, NotAParty, NotTheBuyer
from events.contracts import (
    AwardMade,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    ContractStepTaken,
    Equivalent,
    Security,
    Term,
)
from events.pools import PoolClosed
from services.contracts.domain.cascade import RankingIncomplete, awaits_activation
from services.contracts.domain.deals import apply
from services.contracts.domain.equivalents import EquivalentProposal
from services.contracts.domain.refusals import RefusalUnexplained, Refuse
from services.contracts.domain.signing import ActivateNext, Lapse, NobodyToActivate, TakeStep
from services.contracts.domain.turns import ContractOver, StepOfOtherParty, StepOutOfOrder, StepOverdue, UnknownStep
from tests.services.contracts.builders import FOUR_BIDS, MONDAY, MOSCOW, an_award, bids, won

STEPS = ("supplier-offer", "buyer-draft", "supplier-signature")


def kinds(events):
    return [type(event) for event in events]


def refusal(story, by=None, explanation="Our mill burnt down"):
    return Refuse(
        contract_id=story.contract.contract_id,
        organisation_id=by or story.contract.supplier_id,
        explanation=explanation,
    )


class TestAward:
    def test_the_winner_has_one_working_day_to_sign_the_offer(self):
        story = an_award()
        award, draft = story.events
        assert kinds(story.events) == [AwardMade, ContractDrafted]
        assert (award.supplier_ids, award.amount, award.method) == (("supplier-1",), D("800.00"), "open")
        assert (draft.rank, draft.step, draft.due_at) == (1, "supplier-offer", MONDAY + timedelta(days=1))
        assert [line.amount for line in draft.lines] == [D("480.00"), D("320.00")]

    def test_ids_depend_only_on_process_buyer_and_rank(self):
        assert an_award().events == an_award().events

    def test_awarded_again_nothing_happens(self):
        assert an_award().tell(won()[1]) == ()

    def test_a_rehearsals_working_day_is_half_an_hour(self):
        assert an_award(load("demo")).contract.due_at == MONDAY + timedelta(minutes=30)


class TestStep:
    def test_three_signatures_conclude_the_contract(self):
        story = an_award()
        (offered,) = story.take("supplier-offer", now=MONDAY + timedelta(hours=1))
        assert (offered.party, offered.next_step) == ("supplier", "buyer-draft")
        assert offered.due_at == MONDAY + timedelta(days=1, hours=1)
        story.take("buyer-draft")
        signed, concluded = story.take("supplier-signature")
        assert (signed.next_step, signed.due_at) == (None, None)
        assert isinstance(concluded, ContractConcluded)
        assert concluded.amount == sum(line.amount for line in concluded.lines) == D("800.00")
        assert (concluded.method, concluded.signed_at, story.contract.state) == ("open", story.now, "concluded")

    def test_a_repeated_draft_changes_nothing_and_another_is_refused_with_the_first_one(self):
        story = an_award()
        story.take("supplier-offer")
        place = Term(code="delivery-place", text="Moscow, gate 7")
        draft = TakeStep(
            contract_id=story.contract.contract_id,
            step="buyer-draft",
            actor=Actor("school", "ann"),
            terms=(place, Term(code="payment", text="10 days")),
        )
        story.tell(draft)
        same = replace(draft, actor=Actor(draft.actor.organisation_id, "ben"), terms=tuple(reversed(draft.terms)))
        for signed in (False, True):
            if signed:
                story.take("supplier-signature")
            assert story.tell(same, story.now + timedelta(days=1)) == ()
            for terms in ((place,), (*draft.terms, Term(code="acceptance", text="At once")), ()):
                with pytest.raises(DoneOtherwise):
                    story.tell(replace(draft, terms=terms))
            elsewhere = Term(code="delivery-place", text="Perm")
            with pytest.raises(DoneOtherwise, match="Moscow, gate 7"):
                story.tell(replace(draft, terms=(elsewhere, draft.terms[1])))

    def test_a_draft_without_words_of_its_own_is_repeated_on_a_later_day(self):
        story = an_award()
        story.take("supplier-offer")
        story.take("buyer-draft")
        assert story.take("buyer-draft", now=MONDAY + timedelta(days=2)) == ()

    def test_a_draft_that_leaves_the_place_out_means_the_place_of_the_process(self):
        story = an_award()
        story.take("supplier-offer")
        draft = TakeStep(
            contract_id=story.contract.contract_id,
            step="buyer-draft",
            actor=Actor("school", "ann"),
            terms=(Term(code="delivery-place", text="Perm, gate 7"),),
        )
        story.tell(draft)
        with pytest.raises(DoneOtherwise, match="Perm, gate 7"):
            story.tell(replace(draft, terms=()))

    def test_a_draft_with_a_time_of_its_own_is_not_repeated_by_one_that_leaves_it_out(self):
        story = an_award()
        story.take("supplier-offer")
        draft = TakeStep(
            contract_id=story.contract.contract_id,
            step="buyer-draft",
            actor=Actor("school", "ann"),
            terms=(Term(code="delivery-time", text="2026-12-24"),),
        )
        story.tell(draft)
        assert story.tell(draft, story.now + timedelta(days=1)) == ()
        with pytest.raises(DoneOtherwise, match="2026-12-24"):
            story.tell(replace(draft, terms=()), story.now + timedelta(days=1))

    def test_a_time_that_a_draft_of_a_former_release_left_out_is_not_compared(self):
        story = an_award()
        story.take("supplier-offer")
        story.take("buyer-draft")
        story.deal = replace(story.deal, contract=replace(story.contract, left_out=None))
        assert story.take("buyer-draft", now=MONDAY + timedelta(days=2)) == ()

    def test_the_first_draft_is_compared_also_where_an_objection_changed_it(self):
        story = an_award()
        story.take("supplier-offer")
        story.take("buyer-draft")
        changed = tuple(structs.replace(term, text="Elsewhere") for term in story.contract.terms)
        story.deal = replace(story.deal, contract=replace(story.contract, version=2, terms=changed))
        assert story.take("buyer-draft") == ()

    def test_a_signature_repeated_with_a_security_is_refused(self):
        story = an_award()
        for step in STEPS:
            story.take(step)
        named = Security(kind="deposit", reference="7", amount=D(50), valid_until=MONDAY.date())
        again = TakeStep(
            contract_id=story.contract.contract_id,
            step="supplier-signature",
            actor=Actor(story.contract.supplier_id, "ann"),
        )
        assert story.tell(again) == ()
        with pytest.raises(DoneOtherwise, match="no performance security"):
            story.tell(replace(again, security=named))

    def test_an_offer_repeated_with_an_equivalent_is_refused(self):
        story = an_award()
        story.take("supplier-offer")
        another = EquivalentProposal(line_id="1", quantity=D(1), description="Other paper")
        again = TakeStep(
            contract_id=story.contract.contract_id,
            step="supplier-offer",
            actor=Actor(story.contract.supplier_id, "ann"),
        )
        assert story.tell(again) == ()
        with pytest.raises(DoneOtherwise, match="no equivalents"):
            story.tell(replace(again, equivalents=(another,)))
        named = Equivalent(line_id="1", quantity=D(1), description="Other paper", sku_id=None)
        story.deal = replace(story.deal, contract=replace(story.contract, equivalents=(named,)))
        assert story.tell(replace(again, equivalents=(another,))) == ()
        for other in (
            replace(another, quantity=D(2)),
            replace(another, description="Card"),
            replace(another, line_id="2"),
        ):
            with pytest.raises(DoneOtherwise, match="Other paper"):
                story.tell(replace(again, equivalents=(other,)))

    def test_the_weekend_does_not_run_the_clock(self):
        story = an_award()
        thursday = MONDAY + timedelta(days=3)
        story.take("supplier-offer", now=MONDAY + timedelta(hours=1))
        story.deal = replace(story.deal, contract=replace(story.contract, due_at=thursday + timedelta(hours=1)))
        story.take("buyer-draft", now=thursday)
        assert story.contract.due_at == MONDAY + timedelta(days=7)  # two working days after a Thursday

    def test_no_step_ends_after_the_whole_time_is_over(self):
        hasty = structs.replace(MOSCOW, contract=structs.replace(MOSCOW.contract, total_days=2))
        story = an_award(hasty)
        story.take("supplier-offer", now=MONDAY + timedelta(hours=20))
        story.take("buyer-draft")
        assert story.contract.due_at == MONDAY + timedelta(days=2)

    @pytest.mark.parametrize(
        ("step", "by", "error"),
        [
            ("supplier-offer", "school", StepOfOtherParty),
            ("buyer-draft", "supplier-1", StepOfOtherParty),
            ("buyer-draft", "school", StepOutOfOrder),
            ("supplier-signature", "supplier-1", StepOutOfOrder),
            ("handshake", "school", UnknownStep),
            ("supplier-offer", "supplier-2", NotAParty),
        ],
    )
    def test_a_step_is_rejected_for_the_wrong_side_or_turn(self, step, by, error):
        with pytest.raises(error):
            an_award().take(step, by)

    def test_a_step_taken_is_not_taken_twice(self):
        story = an_award()
        for number, step in enumerate(STEPS):
            story.take(step)
            for done in STEPS[: number + 1]:
                assert story.take(done) == ()

    def test_at_its_end_a_step_is_too_late(self):
        story = an_award()
        end = story.contract.due_at
        with pytest.raises(StepOverdue) as late:
            story.take("supplier-offer", now=end)
        assert late.value.numbers == {"step": "supplier-offer", "due_at": end, "now": end}
        assert kinds(story.take("supplier-offer", now=end - timedelta(microseconds=1))) == [ContractStepTaken]

    def test_another_bidders_contract_cannot_be_signed_any_more(self):
        story = an_award()
        first = story.contract.contract_id
        story.tell(refusal(story))
        with pytest.raises(ContractOver):
            story.tell(TakeStep(contract_id=first, step="supplier-offer", actor=Actor("supplier-1", "bob")))


class TestRefusal:
    def test_the_next_lowest_is_asked_at_its_own_price_with_a_fresh_clock(self):
        story = an_award()
        story.take("supplier-offer")
        wednesday = MONDAY + timedelta(hours=20)
        ended, lost, award, draft = story.tell(refusal(story), wednesday)
        assert (lost.cancelled, lost.supplier_ids, lost.awarded_at) == (True, ("supplier-1",), MONDAY)
        assert lost.award_id == story.events[0].award_id != award.award_id
        assert (ended.reason, ended.by, ended.evasion) == ("refused", "supplier", True)
        assert award.supplier_ids == ("supplier-2",)
        assert (draft.rank, draft.amount, draft.step) == (2, D("810.01"), "supplier-offer")
        assert draft.due_at == wednesday + timedelta(days=1)
        assert [line.amount for line in draft.lines] == [D("486.01"), D("324.00")]
        assert draft.lines[1].unit_price == D("108.000000")
        assert story.contract.taken == ()

    def test_the_buyer_ends_the_deal(self):
        story = an_award()
        (ended,) = story.tell(refusal(story, by="school"))
        assert (ended.by, ended.evasion) == ("buyer", False)
        with pytest.raises(NobodyToActivate):
            story.tell(ActivateNext(contract_id=story.contract.contract_id, organisation_id="school"))

    def test_a_refusal_is_explained(self):
        story = an_award()
        with pytest.raises(RefusalUnexplained):
            story.tell(refusal(story, explanation=" "))

    def test_repeated_by_the_same_side_nothing_happens(self):
        story = an_award()
        again = refusal(story, by="school")
        story.tell(again)
        assert story.tell(again) == ()

    @pytest.mark.parametrize(
        "words", [{"explanation": "We moved"}, {"ground": "force-majeure"}, {"evidence": "Letter 7"}]
    )
    def test_a_repeat_with_another_explanation_is_refused_with_the_first_one(self, words):
        story = an_award()
        first = refusal(story, by="school")
        story.tell(first)
        with pytest.raises(DoneOtherwise, match="“Our mill burnt down”"):
            story.tell(replace(first, **words))

    def test_a_refusal_of_a_former_release_is_not_compared_because_its_words_are_not_stored(self):
        story = an_award()
        story.tell(refusal(story, by="school"))
        story.deal = replace(story.deal, contract=replace(story.contract, ended=None))
        assert story.tell(refusal(story, by="school", explanation="We moved")) == ()

    def test_a_side_that_let_it_lapse_cannot_refuse_it_any_more(self):
        story = an_award()
        story.take("supplier-offer")
        story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        with pytest.raises(ContractOver):
            story.tell(refusal(story, by="school"))

    def test_a_concluded_contract_is_not_refused(self):
        story = an_award()
        for step in STEPS:
            story.take(step)
        with pytest.raises(ContractOver):
            story.tell(refusal(story))

    def test_a_stranger_refuses_nothing(self):
        story = an_award()
        with pytest.raises(NotAParty):
            story.tell(refusal(story, by="supplier-2"))


class TestLapse:
    def test_the_side_whose_turn_it_is_lapses(self):
        story = an_award()
        story.take("supplier-offer")
        (ended,) = story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        assert (ended.reason, ended.by, ended.evasion) == ("lapsed", "buyer", False)

    def test_a_silent_winner_makes_way_for_the_next(self):
        story = an_award()
        happened = story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        assert kinds(happened) == [ContractEnded, AwardMade, AwardMade, ContractDrafted]
        assert happened[0].evasion

    def test_before_the_end_after_it_and_for_others_nothing_happens(self):
        story = an_award()
        first = Lapse(contract_id=story.contract.contract_id)
        end = story.contract.due_at
        assert story.tell(first, end - timedelta(seconds=1)) == ()
        story.tell(first, end)
        assert story.tell(first, end + timedelta(days=9)) == ()

    def test_without_the_bids_it_waits_for_them(self):
        story = an_award(ranking=())
        with pytest.raises(RankingIncomplete):
            story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        story.ranking = FOUR_BIDS
        story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        assert story.contract.rank == 2


class TestActivation:
    def story_of_two_refusals(self):
        story = an_award()
        story.tell(refusal(story))
        ended, awaits = story.tell(refusal(story))
        assert isinstance(ended, ContractEnded)
        assert (awaits.contract_id, awaits.next_rank, story.deal.next_rank) == (ended.contract_id, 3, 3)
        return story

    def activation(self, story, by="school"):
        return ActivateNext(contract_id=story.contract.contract_id, organisation_id=by)

    def test_the_third_is_asked_by_the_buyer_and_refuses_freely(self):
        story = self.story_of_two_refusals()
        assert awaits_activation(story.deal, story.ranking).rank == 3
        lost, _, draft = story.tell(self.activation(story))
        assert (lost.supplier_ids, lost.cancelled) == (("supplier-2",), True)
        assert (draft.rank, draft.amount, story.deal.next_rank) == (3, D("850.00"), None)
        ended, awaits = story.tell(refusal(story))
        assert (ended.evasion, awaits.next_rank) == (False, 4)

    def test_who_is_suspended_is_passed_over(self):
        story = an_award(ranking=(FOUR_BIDS[0], replace(FOUR_BIDS[1], active=False), *FOUR_BIDS[2:]))
        _, awaits = story.tell(refusal(story))
        assert awaits.next_rank == 3
        story.tell(self.activation(story))
        assert story.contract.supplier_id == "supplier-3"

    def test_a_repeated_activation_does_not_activate_another_bidder(self):
        story = self.story_of_two_refusals()
        again = self.activation(story)
        story.tell(again)
        assert story.tell(again) == ()

    def test_only_the_buyer_asks(self):
        story = self.story_of_two_refusals()
        with pytest.raises(NotTheBuyer):
            story.tell(self.activation(story, by="supplier-3"))

    def test_nobody_is_brought_in_while_a_contract_runs_or_when_none_is_left(self):
        story = an_award(ranking=bids("800.00"))
        with pytest.raises(NobodyToActivate):
            story.tell(self.activation(story))
        story.tell(refusal(story))
        with pytest.raises(NobodyToActivate):
            story.tell(self.activation(story))


def test_an_event_of_another_service_cannot_be_applied_to_a_deal():
    with pytest.raises(TypeError):
        apply(an_award().deal, PoolClosed(pool_id="p", contracts=1, concluded=1))


@given(
    st.lists(st.integers(80_000, 100_000), min_size=0, max_size=7, unique=True).map(sorted),
    st.sampled_from(["refuse", "lapse"]),
    st.data(),
)
def test_the_cascade_visits_every_bidder_once_in_order_at_its_exact_price(higher, how, data):
    ranking = bids("800.00", *(str(D(cents + 1).scaleb(-2)) for cents in higher))
    story = an_award(ranking=ranking)
    signer = data.draw(st.integers(1, len(ranking)))
    while story.contract.rank != signer:
        if how == "refuse":
            story.tell(refusal(story))
        else:
            story.tell(Lapse(contract_id=story.contract.contract_id), story.contract.due_at)
        if story.contract.state == "ended":
            story.tell(ActivateNext(contract_id=story.contract.contract_id, organisation_id="school"))
    for step in STEPS:
        story.take(step)
    drafts = [event for event in story.events if isinstance(event, ContractDrafted)]
    asked = ranking[:signer]
    assert [(draft.supplier_id, draft.amount) for draft in drafts] == [(bid.supplier_id, bid.amount) for bid in asked]
    assert all(sum(line.amount for line in draft.lines) == draft.amount for draft in drafts)
    assert len({draft.contract_id for draft in drafts}) == signer
    assert kinds(story.events).count(ContractConcluded) == 1
    assert sum(event.evasion for event in story.events if isinstance(event, ContractEnded)) == min(signer - 1, 2)
    replayed = story.first
    for event in story.events:
        replayed = apply(replayed, event)
    assert replayed == story.deal
