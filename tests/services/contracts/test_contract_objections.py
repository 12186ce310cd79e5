"""The rules of the protocol of disagreement, extensions, equivalents and performance security, without side effects."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from catalogue.actors import Actor
from catalogue.policy import load
from catalogue.rules import NotAParty
from events.contracts import (
    ContractConcluded,
    ContractEnded,
    ObjectionAnswered,
    ObjectionFiled,
    Point,
    PointAnswer,
    Security,
    StepExtended,
    Term,
)
from services.contracts.domain.choices import choices
from services.contracts.domain.deals import Deal, apply
from services.contracts.domain.equivalents import (
    AuctionWithoutEquivalents,
    EquivalentCard,
    EquivalentIsOriginal,
    EquivalentNotNamed,
    EquivalentOfNoLine,
    EquivalentOtherCategory,
    EquivalentOtherUnit,
    EquivalentProposal,
    EquivalentRefusalUnexplained,
    EquivalentTooMuch,
    EquivalentTwice,
    EquivalentUndescribed,
)
from services.contracts.domain.objections import (
    AnswerIncomplete,
    AnswerObjection,
    AnswerUnexplained,
    CompetedNotChangeable,
    FileObjection,
    NothingToAnswer,
    ObjectionAnsweredOtherwise,
    ObjectionEmpty,
    ObjectionsUsedUp,
    ObjectionTooLate,
    PointChangesNothing,
    PointIncomplete,
    PointTwice,
    TermNotChangeable,
)
from services.contracts.domain.refusals import Refuse
from services.contracts.domain.security import (
    SecurityKindUnknown,
    SecurityMissing,
    SecurityNotDue,
    SecurityTooShort,
    SecurityTooSmall,
    SecurityUnnamed,
)
from services.contracts.domain.signing import Extend, Lapse, TakeStep
from services.contracts.domain.terms import (
    DeliveryDateInvalid,
    DeliveryTooLate,
    TermOfNoLine,
    TermTwice,
    TermUnknown,
)
from services.contracts.domain.turns import (
    ContractOver,
    ExtensionBeyondTotal,
    ExtensionUsedUp,
    StepOfOtherParty,
    StepOutOfOrder,
    StepOverdue,
    UnknownStep,
)
from tests.services.contracts.builders import (
    MONDAY,
    MOSCOW,
    PAPER,
    Story,
    an_award,
    bids,
    won,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OFFER, DRAFT, SIGNATURE, ANSWER = "supplier-offer", "buyer-draft", "supplier-signature", "buyer-answer"


def a_draft(*terms: Term, story: Story | None = None) -> Story:
    """Return a story in which the buyer has sent the draft, and the supplier may sign or object."""
    told = story or an_award()
    told.take(OFFER, now=told.now + HOUR)
    told.tell(step(told, DRAFT, "school", terms=terms), told.now + HOUR)
    return told


def step(story: Story, name: str, by: str | None = None, **brought: object) -> TakeStep:
    return TakeStep(
        contract_id=story.contract.contract_id,
        step=name,
        actor=Actor(by or story.contract.supplier_id, "ann"),
        **brought,  # type: ignore[arg-type]
    )


def point(code: str = "delivery-time", wanted: str = "2026-12-31", line_id: str = "", reason: str = "Because") -> Point:
    return Point(number=9, code=code, wanted=wanted, reason=reason, line_id=line_id)


PLACE_WANTED = point("delivery-place", "At the gate", "1")


def objection(story: Story, *points: Point, by: str | None = None) -> FileObjection:
    return FileObjection(
        contract_id=story.contract.contract_id,
        actor=Actor(by or story.contract.supplier_id, "ann"),
        points=points,
    )


def answer(story: Story, *answers: PointAnswer, number: int = 1, by: str = "school") -> AnswerObjection:
    return AnswerObjection(
        contract_id=story.contract.contract_id, number=number, actor=Actor(by, "bob"), answers=answers
    )


def taken(number: int) -> PointAnswer:
    return PointAnswer(number=number, accepted=True)


def kept(number: int, reason: str = "Lessons begin before") -> PointAnswer:
    return PointAnswer(number=number, accepted=False, reason=reason)


def an_objection() -> Story:
    story = a_draft()
    story.tell(objection(story, point(), PLACE_WANTED), story.now + HOUR)
    return story


class TestDraft:
    def test_it_says_when_and_where_all_is_delivered_if_the_buyer_does_not(self) -> None:
        story = a_draft()
        assert story.contract.version == 1
        assert [(term.code, term.text) for term in story.contract.terms] == [
            ("delivery-time", "2026-12-14"),  # 20 working days after the 16th of November
            ("delivery-place", "RU-MOW, RU"),
        ]

    def test_what_the_buyer_writes_stands_in_a_fixed_order_and_blank_terms_do_not(self) -> None:
        story = a_draft(
            Term(code="wording", text=" In two copies "),
            Term(code="payment", text="  "),
            Term(code="delivery-time", text="2026-11-30"),
        )
        assert [(term.code, term.text) for term in story.contract.terms] == [
            ("delivery-time", "2026-11-30"),
            ("delivery-place", "RU-MOW, RU"),
            ("wording", "In two copies"),
        ]

    @pytest.mark.parametrize(
        ("terms", "error"),
        [
            ((Term(code="price", text="Half"),), TermUnknown),
            ((Term(code="wording", text="a"), Term(code="wording", text="b")), TermTwice),
            ((Term(code="wording", text="a", line_id="7"),), TermOfNoLine),
            ((Term(code="delivery-time", text="soon"),), DeliveryDateInvalid),
            ((Term(code="delivery-time", text="2026-11-15"),), DeliveryDateInvalid),
        ],
    )
    def test_a_term_that_does_not_fit_is_refused_beside_its_field(self, terms, error) -> None:
        with pytest.raises(error) as broken:
            a_draft(*terms)
        assert broken.value.field == terms[0].code

    def test_the_concluded_contract_carries_the_terms(self) -> None:
        story = a_draft(Term(code="payment", text="Within 7 days"))
        _, concluded = story.take(SIGNATURE)
        assert isinstance(concluded, ContractConcluded)
        assert concluded.terms == story.contract.terms and concluded.kind == "goods"


class TestObjection:
    def test_the_buyer_has_two_working_days_to_answer(self) -> None:
        story = a_draft()
        (filed,) = story.tell(objection(story, point(), PLACE_WANTED), story.now + HOUR)
        assert isinstance(filed, ObjectionFiled)
        assert [each.number for each in filed.points] == [1, 2]
        assert (filed.number, filed.version, filed.due_at) == (1, 1, story.now + 2 * DAY)
        assert (story.contract.step, story.contract.due_at) == (ANSWER, filed.due_at)

    def test_an_accepted_point_makes_a_new_version_and_the_supplier_signs_on_a_fresh_clock(self) -> None:
        story = an_objection()
        (answered,) = story.tell(answer(story, kept(1), taken(2)), story.now + DAY)
        assert isinstance(answered, ObjectionAnswered)
        assert (answered.version, answered.due_at) == (2, story.now + 2 * DAY)
        assert answered.changed == (Term(code="delivery-place", text="At the gate", line_id="1"),)
        assert [(term.code, term.line_id, term.text) for term in answered.terms] == [
            ("delivery-time", "", "2026-12-14"),
            ("delivery-place", "", "RU-MOW, RU"),
            ("delivery-place", "1", "At the gate"),
        ]
        _, concluded = story.take(SIGNATURE)
        assert concluded.terms == answered.terms and concluded.amount == D("800.00")

    def test_a_changed_term_replaces_the_old_one(self) -> None:
        story = a_draft()
        story.tell(objection(story, point()))
        (answered,) = story.tell(answer(story, taken(1)))
        assert [term.text for term in answered.terms] == ["2026-12-31", "RU-MOW, RU"]

    def test_without_an_accepted_point_the_draft_stays_as_it_is(self) -> None:
        story = an_objection()
        (answered,) = story.tell(answer(story, kept(1), kept(2)))
        assert (answered.version, answered.changed, answered.terms) == (1, (), story.contract.terms)
        (ended, *_) = story.tell(
            Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-1", explanation="No")
        )
        assert ended.evasion

    @pytest.mark.parametrize("code", ["price", "quantity", "item"])
    def test_what_was_competed_is_never_changed(self, code) -> None:
        story = a_draft()
        with pytest.raises(CompetedNotChangeable) as broken:
            story.tell(objection(story, point(), point(code, "Less")))
        assert broken.value.field == "code-2" and "was fixed before the draft" in broken.value.message

    @pytest.mark.parametrize(
        ("points", "error", "field"),
        [
            ((), ObjectionEmpty, "points"),
            ((point("warranty"),), TermNotChangeable, "code-1"),
            ((point(wanted=" "),), PointIncomplete, "wanted-1"),
            ((point(reason=" "),), PointIncomplete, "reason-1"),
            ((point(), point(wanted="2026-12-30")), PointTwice, "wanted-2"),
            ((point(wanted="next year"),), DeliveryDateInvalid, "wanted-1"),
            ((point(wanted="2026-12-14"),), PointChangesNothing, "wanted-1"),
            ((point("wording", "x", "7"),), TermOfNoLine, "wanted-1"),
        ],
    )
    def test_a_point_is_refused_beside_its_field(self, points, error, field) -> None:
        story = a_draft()
        with pytest.raises(error) as broken:
            story.tell(objection(story, *points))
        assert broken.value.field == field

    def test_only_the_supplier_objects_and_only_in_place_of_its_signature(self) -> None:
        story = an_award()
        with pytest.raises(StepOutOfOrder):
            story.tell(objection(story, point()))
        a_draft(story=story)
        with pytest.raises(StepOfOtherParty):
            story.tell(objection(story, point(), by="school"))
        with pytest.raises(NotAParty):
            story.tell(objection(story, point(), by="supplier-2"))
        with pytest.raises(StepOverdue):
            story.tell(objection(story, point()), story.contract.due_at)

    def test_filed_twice_it_is_one_also_after_the_answer(self) -> None:
        story = an_objection()
        again = objection(story, point(), PLACE_WANTED)
        assert story.tell(again) == ()
        story.tell(answer(story, kept(1), taken(2)))
        assert story.tell(again) == ()

    def test_there_is_one_a_contract(self) -> None:
        story = an_objection()
        story.tell(answer(story, kept(1), kept(2)))
        with pytest.raises(ObjectionsUsedUp) as broken:
            story.tell(objection(story, point("wording", "Else")))
        assert broken.value.numbers == {"filed": 1, "allowed": 1}

    def test_as_often_as_the_policy_says(self) -> None:
        twice = structs.replace(MOSCOW, contract=structs.replace(MOSCOW.contract, objections_per_contract=2))
        story = a_draft(story=an_award(twice))
        story.tell(objection(story, point()))
        story.tell(answer(story, taken(1)))
        (second,) = story.tell(objection(story, point("wording", "Else")))
        assert (second.number, second.version) == (2, 2)
        with pytest.raises(NothingToAnswer):
            story.tell(answer(story, taken(1), number=1))
        (answered,) = story.tell(answer(story, taken(1), number=2))
        assert answered.version == 3

    def test_it_is_too_late_where_answer_and_signature_do_not_fit_into_the_whole_time(self) -> None:
        story = a_draft()
        last = MONDAY + timedelta(days=8)  # six working days after the award; four are needed
        story.deal = replace(story.deal, contract=replace(story.contract, due_at=MONDAY + timedelta(days=14)))
        with pytest.raises(ObjectionTooLate):
            story.tell(objection(story, point()), last + timedelta(microseconds=1))
        assert story.tell(objection(story, point()), last)

    def test_an_unanswered_one_is_the_buyers_lapse(self) -> None:
        story = an_objection()
        end = story.contract.due_at
        with pytest.raises(StepOverdue):
            story.tell(answer(story, taken(1), taken(2)), end)
        (ended,) = story.tell(Lapse(contract_id=story.contract.contract_id), end)
        assert isinstance(ended, ContractEnded) and (ended.reason, ended.by) == ("lapsed", "buyer")

    def test_nobody_signs_while_it_waits(self) -> None:
        story = an_objection()
        with pytest.raises(StepOutOfOrder):
            story.take(SIGNATURE)


class TestAnswer:
    @pytest.mark.parametrize(
        ("answers", "error"),
        [
            ((taken(1),), AnswerIncomplete),
            ((taken(1), taken(1), taken(2)), AnswerIncomplete),
            ((taken(1), taken(3)), AnswerIncomplete),
            ((taken(1), kept(2, " ")), AnswerUnexplained),
        ],
    )
    def test_every_point_gets_one_answer_and_a_no_says_why(self, answers, error) -> None:
        story = an_objection()
        with pytest.raises(error):
            story.tell(answer(story, *answers))

    def test_only_the_buyer_answers_what_was_filed(self) -> None:
        story = a_draft()
        with pytest.raises(NothingToAnswer):
            story.tell(answer(story, taken(1)))
        story = an_objection()
        with pytest.raises(StepOfOtherParty):
            story.tell(answer(story, taken(1), taken(2), by="supplier-1"))

    def test_repeated_it_changes_nothing_and_otherwise_it_is_refused(self) -> None:
        story = an_objection()
        story.tell(answer(story, kept(1), taken(2)))
        assert story.tell(answer(story, taken(2), kept(1))) == ()
        with pytest.raises(ObjectionAnsweredOtherwise):
            story.tell(answer(story, taken(1), taken(2)))


class TestExtension:
    def extension(self, story: Story, name: str, by: str | None = None) -> Extend:
        return Extend(
            contract_id=story.contract.contract_id,
            step=name,
            actor=Actor(by or story.contract.supplier_id, "ann"),
        )

    def test_a_side_takes_two_working_days_more_and_the_timer_follows(self) -> None:
        story = an_award()
        end = story.contract.due_at
        (extended,) = story.tell(self.extension(story, OFFER))
        assert isinstance(extended, StepExtended)
        assert (extended.was_due_at, extended.due_at, extended.party) == (end, end + 2 * DAY, "supplier")
        assert story.tell(Lapse(contract_id=story.contract.contract_id), end) == ()
        assert story.take(OFFER, now=end)

    def test_repeated_for_the_same_step_it_changes_nothing(self) -> None:
        story = an_award()
        story.tell(self.extension(story, OFFER))
        assert story.tell(self.extension(story, OFFER)) == ()

    def test_each_side_does_so_once_in_a_contract(self) -> None:
        story = an_award()
        story.tell(self.extension(story, OFFER))
        story.take(OFFER)
        story.tell(self.extension(story, DRAFT, "school"))
        story.take(DRAFT)
        with pytest.raises(ExtensionUsedUp):
            story.tell(self.extension(story, SIGNATURE))
        assert story.contract.extensions == ("supplier", "buyer")

    def test_only_for_ones_own_running_step(self) -> None:
        story = an_award()
        with pytest.raises(StepOfOtherParty):
            story.tell(self.extension(story, OFFER, "school"))
        with pytest.raises(StepOutOfOrder):
            story.tell(self.extension(story, DRAFT, "school"))
        with pytest.raises(UnknownStep):
            story.tell(self.extension(story, "handshake"))
        with pytest.raises(StepOverdue):
            story.tell(self.extension(story, OFFER), story.contract.due_at)

    def test_an_extension_that_leaves_too_little_time_for_the_next_steps_is_refused(self) -> None:
        hasty = structs.replace(MOSCOW, contract=structs.replace(MOSCOW.contract, total_days=5))
        story = an_award(hasty)
        with pytest.raises(ExtensionBeyondTotal) as broken:
            story.tell(self.extension(story, OFFER))
        assert broken.value.numbers["days_after"] == 3

    def test_the_last_step_is_extended_up_to_the_end_of_the_whole_time(self) -> None:
        hasty = structs.replace(MOSCOW, contract=structs.replace(MOSCOW.contract, total_days=3))
        story = a_draft(story=an_award(hasty))
        end = MONDAY + 3 * DAY
        (extended,) = story.tell(self.extension(story, SIGNATURE))
        assert extended.due_at == end
        story.deal = replace(story.deal, contract=replace(story.contract, step_extended=False, extensions=()))
        with pytest.raises(ExtensionBeyondTotal):
            story.tell(self.extension(story, SIGNATURE))

    def test_an_answer_is_extended_too(self) -> None:
        story = an_objection()
        end = story.contract.due_at
        (extended,) = story.tell(self.extension(story, ANSWER, "school"))
        assert extended.due_at > end

    def test_another_supplier_has_its_own_extensions(self) -> None:
        story = an_award()
        story.tell(self.extension(story, OFFER))
        story.tell(Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-1", explanation="No"))
        assert story.contract.rank == 2 and story.tell(self.extension(story, OFFER))


CARD = EquivalentCard(sku_id="other", name="Eco paper", category=PAPER, unit="H87", pack_size=D(1))


class TestEquivalents:
    def story(self) -> Story:
        deal, award = won()
        return Story(replace(deal, equivalents_allowed=True), award)

    def offer(self, story: Story, *proposals: EquivalentProposal) -> TakeStep:
        return step(story, OFFER, equivalents=proposals)

    def test_up_to_a_fifth_of_a_line_is_named_with_the_offer(self) -> None:
        story = self.story()
        (signed,) = story.tell(
            self.offer(
                story,
                EquivalentProposal(line_id="1", quantity=D(20), description=" Recycled "),
                EquivalentProposal(line_id="2", quantity=D("0.6"), card=CARD),
            )
        )
        assert [(each.line_id, each.quantity, each.description, each.sku_id) for each in signed.equivalents] == [
            ("1", D(20), "Recycled", None),
            ("2", D("0.6"), "Eco paper", "other"),
        ]

    @pytest.mark.parametrize(
        ("proposals", "error"),
        [
            ((EquivalentProposal(line_id="1", quantity=D("20.01"), description="x"),), EquivalentTooMuch),
            ((EquivalentProposal(line_id="1", quantity=D(0), description="x"),), EquivalentTooMuch),
            ((EquivalentProposal(line_id="1", quantity=D("NaN"), description="x"),), EquivalentTooMuch),
            ((EquivalentProposal(line_id="7", quantity=D(1), description="x"),), EquivalentOfNoLine),
            ((EquivalentProposal(line_id="1", quantity=D(1), description="x"),) * 2, EquivalentTwice),
            ((EquivalentProposal(line_id="1", quantity=D(1), description=" "),), EquivalentUndescribed),
            (
                (
                    EquivalentProposal(
                        line_id="1", quantity=D(1), card=replace(CARD, category=structs.replace(PAPER, code="30197000"))
                    ),
                ),
                EquivalentOtherCategory,
            ),
            ((EquivalentProposal(line_id="1", quantity=D(1), card=replace(CARD, unit="KGM")),), EquivalentOtherUnit),
            (
                (EquivalentProposal(line_id="1", quantity=D(1), card=replace(CARD, pack_size=D(5))),),
                EquivalentOtherUnit,
            ),
        ],
    )
    def test_a_proposal_that_does_not_fit_is_refused_with_its_rule(self, proposals, error) -> None:
        story = self.story()
        with pytest.raises(error):
            story.tell(self.offer(story, *proposals))

    def test_the_product_itself_is_no_equivalent(self) -> None:
        story = self.story()
        lines = (structs.replace(story.contract.lines[0], sku_id="other"),)
        story.deal = replace(story.deal, contract=replace(story.contract, lines=lines))
        with pytest.raises(EquivalentIsOriginal):
            story.tell(self.offer(story, EquivalentProposal(line_id="1", quantity=D(1), card=CARD)))

    def test_an_auction_without_them_takes_none(self) -> None:
        story = an_award()
        with pytest.raises(AuctionWithoutEquivalents):
            story.tell(self.offer(story, EquivalentProposal(line_id="1", quantity=D(1), description="x")))

    def test_the_buyer_refuses_single_ones_and_the_rest_stands_in_the_contract(self) -> None:
        story = self.story()
        story.tell(
            self.offer(
                story,
                EquivalentProposal(line_id="1", quantity=D(20), description="Recycled"),
                EquivalentProposal(line_id="2", quantity=D("0.6"), card=CARD),
            )
        )
        with pytest.raises(EquivalentRefusalUnexplained):
            story.tell(step(story, DRAFT, "school", refused={"1": " "}))
        with pytest.raises(EquivalentNotNamed):
            story.tell(step(story, DRAFT, "school", refused={"9": "No"}))
        (draft,) = story.tell(step(story, DRAFT, "school", refused={"1": "Too grey"}))
        assert [each.refused for each in draft.equivalents] == ["Too grey", ""]
        _, concluded = story.take(SIGNATURE)
        assert [each.line_id for each in concluded.equivalents] == ["2"]
        assert concluded.amount == D("800.00")

    def test_the_next_bidder_names_its_own(self) -> None:
        story = self.story()
        story.tell(self.offer(story, EquivalentProposal(line_id="1", quantity=D(20), description="Recycled")))
        story.tell(Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-1", explanation="No"))
        assert story.contract.equivalents == () and story.events[-1].equivalents_allowed


GUARANTEE = Security(kind="bank-guarantee", reference="BG-7", amount=D("10000.00"), valid_until=date(2027, 1, 14))
"""A security that is valid until 31 days after the 14th of December."""


class TestSecurity:
    def story(self, amount: str = "150000.00", kind: str = "services") -> Story:
        deal, award = won()
        return a_draft(story=Story(replace(deal, kind=kind, amount=D(amount)), award, bids(amount, "160000.00")))

    def test_it_is_named_with_the_signature_and_stands_in_the_contract(self) -> None:
        story = self.story()
        assert story.events[1].security_due == 10_000
        _, concluded = story.tell(step(story, SIGNATURE, security=GUARANTEE))
        assert concluded.security == GUARANTEE == story.contract.security

    @pytest.mark.parametrize(
        ("named", "error"),
        [
            (None, SecurityMissing),
            (structs.replace(GUARANTEE, amount=D("9999.99")), SecurityTooSmall),
            (structs.replace(GUARANTEE, amount=D("NaN")), SecurityTooSmall),
            (structs.replace(GUARANTEE, valid_until=date(2027, 1, 13)), SecurityTooShort),
            (structs.replace(GUARANTEE, reference=" "), SecurityUnnamed),
            (structs.replace(GUARANTEE, kind="promise"), SecurityKindUnknown),
        ],
    )
    def test_without_enough_of_it_nothing_is_signed(self, named, error) -> None:
        story = self.story()
        with pytest.raises(error):
            story.tell(step(story, SIGNATURE, security=named))
        assert story.contract.step == SIGNATURE

    @pytest.mark.parametrize(("amount", "kind"), [("150000.00", "goods"), ("100000.00", "works"), ("150000.00", "")])
    def test_where_none_is_due_none_is_taken(self, amount, kind) -> None:
        story = self.story(amount, kind)
        with pytest.raises(SecurityNotDue):
            story.tell(step(story, SIGNATURE, security=GUARANTEE))
        _, concluded = story.take(SIGNATURE)
        assert concluded.security is None

    def test_a_later_end_of_performance_asks_for_a_longer_one(self) -> None:
        story = self.story()
        story.tell(objection(story, point()))
        story.tell(answer(story, taken(1)))
        with pytest.raises(SecurityTooShort):
            story.tell(step(story, SIGNATURE, security=GUARANTEE))
        assert story.tell(step(story, SIGNATURE, security=structs.replace(GUARANTEE, valid_until=date(2027, 1, 31))))

    def test_the_next_bidders_is_due_by_its_own_price(self) -> None:
        story = self.story("200000.00")
        story.ranking = bids("200000.00", "200000.01")
        story.tell(Refuse(contract_id=story.contract.contract_id, organisation_id="supplier-1", explanation="No"))
        assert story.events[-1].security_due == 20_000


class TestPurchase:
    def test_it_is_delivered_within_twenty_working_days(self) -> None:
        deal, award = won()
        story = Story(replace(deal, origin="purchase"), award, ())
        with pytest.raises(DeliveryTooLate):
            story.tell(step(story, DRAFT, "school", terms=(Term(code="delivery-time", text="2026-12-15"),)))
        story.tell(step(story, DRAFT, "school", terms=(Term(code="delivery-time", text="2026-12-14"),)))
        with pytest.raises(DeliveryTooLate):
            story.tell(objection(story, point(wanted="2026-12-15")))


class TestChoices:
    def test_each_side_is_offered_what_it_may_do_now(self) -> None:
        story = a_draft()
        supplier, buyer = (choices(story.deal, side, story.now) for side in ("supplier", "buyer"))
        assert supplier is not None and buyer is not None
        assert supplier.objects and supplier.extends_until == story.contract.due_at + 2 * DAY
        assert not buyer.objects and buyer.extends_until is None and buyer.no_extension is None
        assert "draft-differs" in {ground.code for ground in supplier.grounds}
        assert "funding-withdrawn" in {ground.code for ground in buyer.grounds}

    def test_an_objection_that_is_forbidden_comes_with_the_reason(self) -> None:
        story = an_objection()
        story.tell(answer(story, kept(1), kept(2)))
        told = choices(story.deal, "supplier", story.now)
        assert told is not None and not told.objects and "1 protocol" in str(told.no_objection)

    def test_there_are_none_once_it_is_over(self) -> None:
        story = a_draft()
        assert choices(story.deal, "supplier", story.contract.due_at) is None
        story.take(SIGNATURE)
        assert choices(story.deal, "supplier", story.now) is None


def test_an_old_deal_is_read_and_goes_on() -> None:
    """The deal is as it was stored before drafts had terms: it and its policy have none of the later fields."""
    story = an_award()
    story.take(OFFER)
    stored = msgspec.json.decode(msgspec.json.encode(story.deal))
    for name in ("kind", "equivalents_allowed"):
        del stored[name]
    for name in ("version", "terms", "equivalents", "security", "objections", "points", "answers", "extensions"):
        del stored["contract"][name]
    del stored["contract"]["step_extended"]
    for name in ("objections_per_contract", "changeable_terms", "performance_days", "grounds", "security"):
        del stored["policy"]["contract"][name]
    story.deal = msgspec.json.decode(msgspec.json.encode(stored), type=Deal)
    story.take(DRAFT)
    with pytest.raises(ObjectionsUsedUp):
        story.tell(objection(story, point()))
    story.take(SIGNATURE)
    assert story.contract.state == "concluded"
    with pytest.raises(ContractOver):
        story.tell(objection(story, point()))


@given(st.data())
def test_no_story_outlasts_the_whole_time_and_its_events_retell_it(data: st.DataObject) -> None:
    """Whatever the sides do and whenever, every step ends within the whole time, and the supplier always has a turn
    after an answer."""
    demo = load("demo")
    story = Story(*won(demo), bids("800.00"))
    end = story.now + timedelta(minutes=30 * demo.contract.total_days)
    while story.contract.step is not None:
        contract = story.contract
        assert contract.due_at is not None and story.now < contract.due_at <= end
        now = story.now + (contract.due_at - story.now) * data.draw(st.integers(0, 99)) / 100
        side = "school" if contract.step in (DRAFT, ANSWER) else "supplier-1"
        open_choices = choices(story.deal, "buyer" if side == "school" else "supplier", now)
        assert open_choices is not None
        acts: list[object] = [Lapse(contract_id=contract.contract_id)]
        if contract.step == ANSWER:
            acts.append(answer(story, *(taken(each.number) for each in contract.points)))
        else:
            acts.append(step(story, contract.step, side))
        if open_choices.extends_until is not None:
            acts.append(Extend(contract_id=contract.contract_id, step=contract.step, actor=Actor(side, "a")))
        if open_choices.objects:
            acts.append(objection(story, point("wording", "Else")))
        act = data.draw(st.sampled_from(acts))
        happened = story.tell(act, contract.due_at if isinstance(act, Lapse) else now)  # type: ignore[arg-type]
        assert happened
        if isinstance(act, Extend):
            assert story.contract.due_at == open_choices.extends_until
        if isinstance(act, AnswerObjection):
            assert story.contract.due_at == now + timedelta(minutes=60)
    replayed = story.first
    for event in story.events:
        replayed = apply(replayed, event)
    assert replayed == story.deal
