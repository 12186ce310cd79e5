from decimal import Decimal

import pytest

from catalogue.skus import Sku, SkuAttribute, broken_rules
from services.demonstration.cast import Good, cast
from services.demonstration.seed import offer_terms


@pytest.mark.parametrize("good", cast().skus, ids=lambda good: good.name)
def test_every_good_may_be_published_and_has_enough_sellers_for_a_reference_price(good: Good) -> None:
    card = Sku(
        sku_id="x",
        name=good.name,
        category=good.category[:8],
        base_unit=good.unit,
        pack_size=good.pack,
        attributes=tuple(SkuAttribute(*facts) for facts in good.attributes),
    )
    assert broken_rules(card) == ()
    assert len(cast().sellers(good)) >= 3


def test_an_offer_lies_around_the_sellers_level_and_is_the_same_each_time() -> None:
    good = cast().skus[0]
    for seller in cast().sellers(good):
        terms = offer_terms(good, seller, cast().regions)
        assert terms == offer_terms(good, seller, cast().regions)
        share = Decimal(terms["price"]) / (good.price * seller.price_level)
        assert Decimal("0.939") < share < Decimal("1.061")
        assert Decimal(terms["tiers"][1]["price"]) < Decimal(terms["tiers"][0]["price"]) < Decimal(terms["price"])
