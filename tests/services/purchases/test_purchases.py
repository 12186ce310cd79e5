from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D

import pytest
from msgspec import structs

from catalogue.money import CurrencyMismatch, QuantityNotPositive
from catalogue.offers import Offer, PriceTier
from catalogue.places import Place as StockPlace
from catalogue.policy import of_process
from catalogue.rules import DoneOtherwise
from events.accounts import OrganisationRegistered
from events.catalogue import SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from events.pools import PoolMemberWithdrew
from events.values import Category, Place
from infra.web.languages import refusal_text, speaking
from services.contracts.domain.awards import of_purchase
from services.contracts.domain.refusals import Refuse
from services.purchases.domain.purchases import (
    AnsweredOtherwise,
    AnswerOverdue,
    AnswerPurchase,
    LapseAnswer,
    NotTheCheapest,
    NotTheSupplier,
    OfferNotAvailable,
    OrganisationNotActive,
    OwnOffer,
    Purchase,
    PurchaseAboveCeiling,
    RequestPurchase,
    TooManyUnanswered,
    TooManyUnansweredInAll,
    accepted,
    apply,
    check_unanswered,
    decide,
    request,
)
from tests.services.contracts.builders import CALENDAR, MONDAY, MOSCOW, PAPER, Story

SKU = SkuPublished(
    sku_id="paper", version=1, name="Paper A4", category=PAPER, attributes=(), base_unit="LEF", pack_size=D(500)
)
OFFER = Offer(
    offer_id="offer",
    sku_id="paper",
    supplier_id="mill",
    price=D("300.00"),
    currency="RUB",
    vat_rate=D(20),
    vat_included=True,
    regions=("RU-MOW",),
    delivery_days=3,
    stock=StockPlace(country="RU"),
    min_quantity=D(5),
    max_quantity=D(5_000),
    tiers=(PriceTier(D(100), D("280.00")),),
    valid_from=date(2026, 10, 1),
    valid_until=date(2026, 12, 31),
)
SCHOOL = OrganisationRegistered(organisation_id="school", roles=("buyer",), name="School No. 1")
MILL = OrganisationRegistered(organisation_id="mill", roles=("supplier",), name="Paper Mill")
TOMORROW = MONDAY + timedelta(days=1)


def a_request(
    quantity="10", region="RU-MOW", offer=OFFER, buyer=SCHOOL, supplier=MILL, now=MONDAY, sku=SKU, rivals=()
) -> Purchase:
    return request(
        RequestPurchase(process_id="purchase", quantity=D(quantity), place=Place(country="RU", region=region)),
        offer,
        sku,
        buyer=buyer,
        supplier=supplier,
        policy=MOSCOW,
        calendar=CALENDAR,
        now=now,
        rivals=rivals,
    )


def answered(answer=True, by="mill", purchase=None, now=MONDAY, reason=""):
    purchase = purchase or a_request()
    events = decide(purchase, AnswerPurchase(organisation_id=by, accepts=answer, reason=reason), now)
    for event in events:
        purchase = apply(purchase, event)
    return purchase, events


class TestRequest:
    @pytest.mark.parametrize(
        ("to_the_supplier", "in_all", "rule"),
        [(49, 299, None), (50, 50, TooManyUnanswered), (0, 300, TooManyUnansweredInAll)],
    )
    def test_a_request_is_refused_if_too_many_requests_wait_for_an_answer(self, to_the_supplier, in_all, rule):
        if rule is None:
            return check_unanswered(MOSCOW, to_the_supplier, in_all)
        with pytest.raises(rule, match="not answered"):
            check_unanswered(MOSCOW, to_the_supplier, in_all)

    def test_the_supplier_has_one_working_day_to_answer(self):
        requested = a_request().requested
        assert (requested.unit_price, requested.amount, requested.due_at) == (D("300.00"), D("3000.00"), TOMORROW)
        assert (requested.buyer_name, requested.supplier_id, requested.title) == ("School No. 1", "mill", "Paper A4")

    def test_the_tier_reached_sets_the_price_and_vat_is_in_it(self):
        net = structs.replace(OFFER, vat_included=False)
        purchase = a_request("100", offer=net)
        assert (purchase.line.unit_price, purchase.line.amount) == (D("336.0000"), D("33600.00"))
        assert (purchase.line.unit, purchase.line.pack_size, purchase.line.vat_included) == ("LEF", D(500), True)

    @pytest.mark.parametrize(
        ("change", "because"),
        [
            ({"quantity": "4"}, "below-minimum"),
            ({"quantity": "5001"}, "above-maximum"),
            ({"region": "RU-SPE"}, "region-not-served"),
            ({"now": MONDAY + timedelta(days=60)}, "offer-not-valid"),
        ],
    )
    def test_outside_the_offers_terms_it_is_refused(self, change, because):
        with pytest.raises(OfferNotAvailable) as refused:
            a_request(**change)
        assert refused.value.numbers["because"] == because

    @pytest.mark.parametrize(
        ("change", "language", "told"),
        [
            ({"quantity": "5001"}, "en", "The supplier sells no more than 5\u202f000."),
            ({"quantity": "5001"}, "es", "El proveedor vende como máximo 5\u202f000."),
            ({"quantity": "4"}, "ru", "Поставщик продаёт не меньше 5."),
            ({"region": "RU-SPE"}, "es", "El proveedor no entrega en RU-SPE."),
            ({"now": MONDAY + timedelta(days=60)}, "es", "La oferta vale del 1 oct 2026 al 31 dic 2026."),
        ],
    )
    def test_the_reason_is_said_in_every_language_with_its_numbers(self, change, language, told):
        with pytest.raises(OfferNotAvailable) as refused:
            a_request(**change)
        with speaking(language):
            assert refusal_text(refused.value) == told

    def test_an_amount_may_reach_the_ceiling_and_not_exceed_it(self):
        two_hundred = structs.replace(OFFER, price=D("200.00"), tiers=())
        assert a_request("3000", offer=two_hundred).requested.amount == MOSCOW.purchase.ceiling
        with pytest.raises(PurchaseAboveCeiling) as refused:
            a_request("3001", offer=two_hundred)
        assert refused.value.numbers == {"amount": D("600200.00"), "ceiling": MOSCOW.purchase.ceiling}

    @pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
    def test_a_quantity_is_a_positive_number(self, quantity):
        with pytest.raises(QuantityNotPositive):
            a_request(quantity)

    @pytest.mark.parametrize("state", ["pending", "suspended", "closed"])
    def test_only_active_organisations_buy_and_sell(self, state):
        with pytest.raises(OrganisationNotActive):
            a_request(buyer=structs.replace(SCHOOL, state=state))
        with pytest.raises(OrganisationNotActive):
            a_request(supplier=structs.replace(MILL, state=state))

    def test_nobody_buys_from_itself(self):
        with pytest.raises(OwnOffer):
            a_request(buyer=MILL)

    def test_another_currency_is_not_compared_with_the_ceiling(self):
        with pytest.raises(CurrencyMismatch):
            a_request(offer=structs.replace(OFFER, currency="EUR"))


class TestAnswer:
    @pytest.mark.parametrize(("accepts", "answer"), [(True, "accepted"), (False, "refused")])
    def test_the_supplier_answers_once(self, accepts, answer):
        purchase, (event,) = answered(accepts, reason="Out of stock")
        assert (event.answer, event.reason, purchase.answer) == (answer, "Out of stock", answer)
        assert answered(accepts, reason="Out of stock", purchase=purchase)[1] == ()
        with pytest.raises(AnsweredOtherwise):
            answered(not accepts, reason="Out of stock", purchase=purchase)

    @pytest.mark.parametrize("accepts", [True, False])
    def test_the_same_answer_with_another_message_is_refused_with_the_first_one(self, accepts):
        purchase, _ = answered(accepts, reason="Out of stock")
        with pytest.raises(DoneOtherwise, match="“Out of stock”"):
            answered(accepts, reason="Too far", purchase=purchase)

    def test_an_answer_of_a_former_release_is_not_compared_since_its_message_was_not_kept(self):
        purchase, _ = answered(True, reason="Yes")
        assert answered(True, reason="No words", purchase=replace(purchase, reason=None))[1] == ()

    def test_nobody_else_answers(self):
        with pytest.raises(NotTheSupplier):
            answered(by="school")

    def test_a_request_without_an_answer_lapses_at_its_end_for_good(self):
        purchase = a_request()
        assert decide(purchase, LapseAnswer(), TOMORROW - timedelta(seconds=1)) == ()
        with pytest.raises(AnswerOverdue):
            answered(purchase=purchase, now=TOMORROW)
        (event,) = decide(purchase, LapseAnswer(), TOMORROW)
        lapsed = apply(purchase, event)
        assert event.answer == "lapsed"
        assert decide(lapsed, LapseAnswer(), TOMORROW) == ()
        with pytest.raises(AnswerOverdue):
            answered(purchase=lapsed)

    def test_an_answer_given_does_not_lapse(self):
        assert decide(answered()[0], LapseAnswer(), TOMORROW) == ()

    def test_an_event_of_another_service_cannot_be_applied_to_a_purchase(self):
        with pytest.raises(TypeError):
            apply(a_request(), PoolMemberWithdrew(pool_id="p", member_id="m", default=False))


def due(purchase: Purchase):
    """Return the deal and its award, from the event that contracts gets."""
    told = accepted(purchase, "contract")
    return of_purchase(told, policy=of_process(told.policy_text, told.policy), calendar=CALENDAR)


class TestContract:
    def test_an_accepted_purchase_is_drafted_by_the_buyer_and_signed_by_the_supplier(self):
        story = Story(*due(answered()[0]), ranking=())
        award, draft = story.events
        assert isinstance(award, AwardMade) and isinstance(draft, ContractDrafted)
        assert (award.process_id, award.origin, award.method, draft.step) == (
            "purchase",
            "purchase",
            "direct",
            "buyer-draft",
        )
        story.take("buyer-draft")
        concluded = story.take("supplier-signature")[-1]
        assert isinstance(concluded, ContractConcluded)
        assert (concluded.amount, concluded.lines[0].sku_id, concluded.lines[0].unit_price) == (
            D("3000.00"),
            "paper",
            D("300.00"),
        )

    def test_there_is_no_next_bidder(self):
        story = Story(*due(answered()[0]), ranking=())
        (ended,) = story.tell(
            Refuse(contract_id=story.contract.contract_id, organisation_id="mill", explanation="Sold out")
        )
        assert isinstance(ended, ContractEnded) and ended.evasion


class TestGoodsInDemand:
    ROLLS = structs.replace(SKU, category=Category(code="33761000", title="Toilet paper"))
    CHEAPER = structs.replace(OFFER, offer_id="cheaper", supplier_id="trader", price=D("299.99"))

    def test_only_the_cheapest_offer_is_bought(self) -> None:
        with pytest.raises(NotTheCheapest) as refused:
            a_request(sku=self.ROLLS, rivals=[self.CHEAPER])
        assert refused.value.field == "offer_id"
        assert refused.value.numbers == {"amount": D("3000.00"), "cheaper": D("2999.90"), "offer": "cheaper"}
        assert a_request(sku=self.ROLLS, offer=self.CHEAPER, rivals=[OFFER]).requested.amount == D("2999.90")

    @pytest.mark.parametrize(
        "change",
        [
            {"price": D("300.00")},
            {"regions": ("RU-SPE",)},
            {"min_quantity": D(11)},
            {"valid_until": date(2026, 10, 2)},
            {"currency": "BRL"},
        ],
    )
    def test_an_offer_that_costs_the_same_or_cannot_be_bought_is_not_cheaper(self, change) -> None:
        rival = structs.replace(self.CHEAPER, **change)
        assert a_request(sku=self.ROLLS, rivals=[rival]).requested.amount == D("3000.00")

    def test_the_cheapest_offer_is_the_cheapest_for_this_quantity(self) -> None:
        rival = structs.replace(self.CHEAPER, tiers=())
        assert a_request(quantity="100", sku=self.ROLLS, rivals=[rival]).requested.amount == D("28000.00")

    def test_other_goods_may_be_bought_from_any_offer(self) -> None:
        assert a_request(rivals=[self.CHEAPER]).requested.amount == D("3000.00")
