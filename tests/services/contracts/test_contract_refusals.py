"""Refusals on the closed list of grounds, their disputes, and what then counts as a breach."""

from dataclasses import replace
from datetime import timedelta

import pytest

from catalogue.actors import Actor
from catalogue.policy import load
from catalogue.rules import DoneOtherwise
from events.contracts import ContractEnded, RefusalDisputeDecided
from events.pools import PoolClosed
from services.conduct.domain.record import breached
from services.conduct.domain.sanctions import Accused, Breach, judge
from services.contracts.domain.breaches import breach_of, contract_breached
from services.contracts.domain.refusals import (
    DecidedOtherwise,
    DisputedAlready,
    DisputeOverdue,
    DisputeUnexplained,
    EvidenceMissing,
    GroundedRefusal,
    GroundNotListed,
    NotDisputed,
    NotTheOtherSide,
    RefusalUnexplained,
    Refuse,
    VerdictUnexplained,
    apply,
    decide,
    dispute,
    refusal_of,
)
from services.contracts.domain.signing import ActivateNext
from services.contracts.domain.turns import DraftChanged
from tests.services.contracts.builders import CALENDAR, FOUR_BIDS, MONDAY, MOSCOW, Story, an_award, derive_id

DAY = timedelta(days=1)


def refuse(
    story: Story,
    ground: str = "force-majeure",
    evidence: str = "Chamber of commerce, No. 7",
    by: str | None = None,
    explanation: str = "Our mill burnt down",
) -> ContractEnded:
    ended = story.tell(a_refusal_of(story, ground, evidence, by, explanation))[0]
    assert isinstance(ended, ContractEnded)
    return ended


def a_refusal_of(
    story: Story,
    ground: str = "force-majeure",
    evidence: str = "Chamber of commerce, No. 7",
    by: str | None = None,
    explanation: str = "Our mill burnt down",
    version: int | None = None,
) -> Refuse:
    return Refuse(
        contract_id=story.contract.contract_id,
        organisation_id=by or story.contract.supplier_id,
        explanation=explanation,
        ground=ground,
        evidence=evidence,
        version=version,
    )


class TestGrounds:
    def test_a_justified_one_is_no_evasion_and_may_be_disputed_for_five_working_days(self) -> None:
        story = an_award()
        ended = refuse(story)
        assert (ended.evasion, ended.justified, ended.ground) == (False, True, "force-majeure")
        assert ended.ground_title.startswith("Force majeure") and ended.evidence == "Chamber of commerce, No. 7"
        assert ended.dispute_until == MONDAY + 7 * DAY
        assert breach_of(ended) is None
        assert story.contract.rank == 2  # the cascade goes on

    @pytest.mark.parametrize(("ground", "title"), [("cannot-deliver", "No stock"), ("", "")])
    def test_an_unjustified_one_or_none_is_an_evasion_with_nothing_to_dispute(self, ground, title) -> None:
        ended = refuse(an_award(), ground, evidence="")
        assert (ended.evasion, ended.justified, ended.dispute_until) == (True, False, None)
        assert ended.ground_title.startswith(title)
        assert breach_of(ended) == ("supplier", "supplier-1")

    @pytest.mark.parametrize(("ground", "breach"), [("funding-withdrawn", None), ("need-gone", "buyer"), ("", "buyer")])
    def test_a_buyer_has_grounds_of_its_own(self, ground, breach) -> None:
        ended = refuse(an_award(), ground, by="school")
        found = breach_of(ended)
        assert (found and found[0]) == breach
        assert (ended.dispute_until is None) == (breach is not None)

    @pytest.mark.parametrize(
        ("ground", "by"), [("funding-withdrawn", "supplier-1"), ("draft-differs", "school"), ("bored", "school")]
    )
    def test_a_ground_that_is_not_on_the_sides_list_is_refused(self, ground, by) -> None:
        with pytest.raises(GroundNotListed) as broken:
            refuse(an_award(), ground, by=by)
        assert broken.value.field == "ground"

    def test_it_is_explained_and_a_justified_one_says_where_it_can_be_seen(self) -> None:
        with pytest.raises(RefusalUnexplained):
            refuse(an_award(), explanation=" ")
        with pytest.raises(EvidenceMissing) as broken:
            refuse(an_award(), evidence=" ")
        assert broken.value.field == "evidence"

    def test_a_repeat_by_a_side_that_read_another_draft_is_refused(self) -> None:
        story = an_award(ranking=FOUR_BIDS[:1])
        for step in ("supplier-offer", "buyer-draft"):
            story.take(step)
        first = a_refusal_of(story, version=1)
        story.tell(first)
        for version in (1, None):
            assert story.tell(replace(first, version=version)) == ()
        with pytest.raises(DraftChanged, match="Version 1 was refused"):
            story.tell(replace(first, version=2))

    def test_who_may_refuse_freely_has_nothing_to_lose_in_a_dispute(self) -> None:
        story = an_award()
        refuse(story)
        refuse(story)
        story.tell(ActivateNext(contract_id=story.contract.contract_id, organisation_id="school"))
        ended = refuse(story)
        assert (story.contract.rank, ended.justified, ended.evasion, ended.dispute_until) == (3, True, False, None)
        assert refusal_of(story.deal, ended, MONDAY) is None


def a_refusal(by: str | None = None) -> GroundedRefusal:
    story = an_award()
    ended = refuse(story, "force-majeure", by=by)
    found = refusal_of(story.deal, ended, MONDAY)
    assert found is not None
    return found


def disputed(
    refusal: GroundedRefusal, now=MONDAY + DAY, by: str = "school", reasons: str = "It still delivers"
) -> GroundedRefusal:
    for event in dispute(refusal, Actor(by, "ann"), reasons, now):
        refusal = apply(refusal, event)
    return refusal


def decided(refusal: GroundedRefusal, verdict="unjustified", now=MONDAY + 3 * DAY) -> RefusalDisputeDecided:
    (event,) = decide(refusal, verdict, "No fire was seen", now)
    return event


class TestDispute:
    def test_a_moderator_has_ten_working_days(self) -> None:
        (event,) = dispute(a_refusal(), Actor("school", "ann"), " It still delivers ", MONDAY)
        assert (event.by, event.reasons, event.due_at) == ("buyer", "It still delivers", MONDAY + 14 * DAY)

    def test_the_supplier_disputes_what_the_buyer_refused(self) -> None:
        (event,) = dispute(a_refusal(by="school"), Actor("supplier-1", "ann"), "There is money", MONDAY)
        assert event.by == "supplier"

    def test_only_the_other_side_and_in_time_and_with_reasons(self) -> None:
        refusal = a_refusal()
        for stranger in ("supplier-1", "supplier-2"):
            with pytest.raises(NotTheOtherSide):
                disputed(refusal, by=stranger)
        with pytest.raises(DisputeOverdue):
            disputed(refusal, now=refusal.ended.dispute_until)
        with pytest.raises(DisputeUnexplained):
            disputed(refusal, reasons=" ")

    def test_once(self) -> None:
        refusal = disputed(a_refusal())
        assert dispute(refusal, Actor("school", "ann"), "It still delivers", MONDAY + 30 * DAY) == ()
        with pytest.raises(DisputedAlready):
            disputed(refusal, reasons="Another thing")

    def test_not_upheld_it_is_the_breach_it_was(self) -> None:
        event = decided(disputed(a_refusal()))
        assert breach_of(event) == ("supplier", "supplier-1")
        (fact,) = [breached(contract_breached(event, ("supplier", "supplier-1"), load("moscow"), MONDAY + 9 * DAY))]
        assert (fact.kind, fact.at, fact.organisation_id) == ("evaded", MONDAY, "supplier-1")
        buyers = decided(disputed(a_refusal(by="school"), by="supplier-1"))
        assert breach_of(buyers) == ("buyer", "school")

    def test_upheld_it_stays_none(self) -> None:
        event = decided(disputed(a_refusal()), "justified")
        assert breach_of(event) is None

    def test_it_is_decided_once_with_words_and_also_late(self) -> None:
        refusal = a_refusal()
        with pytest.raises(NotDisputed):
            decided(refusal)
        refusal = disputed(refusal)
        with pytest.raises(VerdictUnexplained):
            decide(refusal, "justified", " ", MONDAY)
        assert not refusal.overdue(MONDAY + 14 * DAY) and refusal.overdue(MONDAY + 15 * DAY)
        refusal = apply(refusal, decided(refusal, now=MONDAY + 60 * DAY))
        assert not refusal.overdue(MONDAY + 60 * DAY)
        assert decide(refusal, "unjustified", " No fire was seen ", MONDAY + 61 * DAY) == ()
        with pytest.raises(DoneOtherwise):
            decide(refusal, "unjustified", "Again", MONDAY + 61 * DAY)
        with pytest.raises(DecidedOtherwise):
            decide(refusal, "justified", "Else", MONDAY + 61 * DAY)

    def test_an_event_of_another_service_cannot_be_applied_to_a_refusal(self) -> None:
        with pytest.raises(TypeError):
            apply(a_refusal(), PoolClosed(pool_id="p", contracts=1, concluded=1))


class TestSanction:
    def test_it_counts_from_the_refusal_and_begins_with_the_decision(self) -> None:
        late = Breach(contract_id="late", at=MONDAY, policy=MOSCOW, known_at=MONDAY + 40 * DAY)
        others = [Breach(contract_id=f"c{day}", at=MONDAY + day * DAY, policy=MOSCOW) for day in (10, 20)]
        (sanction,) = judge(Accused("mill", "supplier"), [*others, late], (), CALENDAR, derive_id=derive_id)
        told = sanction.sanctioned
        assert told.contract_ids == ("late", "c10", "c20")
        assert told.since == MONDAY + 40 * DAY and told.appeal_until > told.since + 10 * DAY
        assert judge(Accused("mill", "supplier"), others, (), CALENDAR, derive_id=derive_id) == ()

    def test_a_buyers_begins_with_the_decision_too(self) -> None:
        late = Breach(contract_id="late", at=MONDAY, policy=load("moscow"), known_at=MONDAY + 9 * DAY)
        (sanction,) = judge(Accused("school", "buyer"), [late], (), CALENDAR, derive_id=derive_id)
        assert sanction.sanctioned.since == MONDAY + 9 * DAY
