from decimal import Decimal as D

import msgspec
import pytest

from catalogue.policy import CatalogueRules
from catalogue.skus import (
    COMPARED_CHARACTERS,
    LIKELY_DUPLICATE,
    MOST_CHARACTERS,
    CardReasonMissing,
    PublishedSkuImmutable,
    Sku,
    SkuAttribute,
    SkuState,
    SkuStep,
    TooFewAttributes,
    WrongState,
    broken_rules,
    check_new_version,
    gtin_is_valid,
    likeness,
    near_duplicates,
    next_state,
)

PAPER = (
    SkuAttribute("format", "A4"),
    SkuAttribute("grammage", "80", "GM"),
    SkuAttribute("recycled", "yes"),
    SkuAttribute("brand", "Alba"),
)


def a_sku(**changes) -> Sku:
    sku = Sku(
        sku_id="paper-1",
        name="Copy paper A4 80 g/m²",
        category="30197643-5",
        attributes=PAPER,
        base_unit="XST",
        pack_size=D(500),
        gtin="4006381333931",
    )
    return msgspec.structs.replace(sku, **changes)


def test_a_policy_says_how_many_attributes_a_card_has_at_least() -> None:
    card = a_sku(category="90910000", attributes=PAPER[:2])
    assert {error.code for error in broken_rules(card)} == {"too-few-attributes"}
    assert broken_rules(card, CatalogueRules(fewest_attributes=2)) == ()
    assert (
        next_state(SkuState.DRAFT, SkuStep.SUBMIT, card, rules=CatalogueRules(fewest_attributes=2))
        == SkuState.MODERATION
    )


def test_a_complete_card_breaks_no_rule():
    assert broken_rules(a_sku()) == ()


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"name": " "}, {"name-missing"}),
        ({"category": "paper"}, {"malformed-category"}),
        ({"attributes": PAPER[:3]}, {"too-few-attributes"}),
        ({"attributes": (*PAPER[1:], SkuAttribute("colour", "white"))}, {"attribute-missing"}),
        ({"attributes": (*PAPER, SkuAttribute("Brand", "Nix"))}, {"attribute-repeated"}),
        ({"attributes": (*PAPER, SkuAttribute("ream", ""))}, {"attribute-empty"}),
        ({"attributes": (*PAPER, SkuAttribute("capacity", "4", "4L"))}, {"unknown-unit"}),
        ({"attributes": (*PAPER, SkuAttribute("capacity", "4", "bucketfuls"))}, set()),
        ({"attributes": (*PAPER, SkuAttribute("speed", "40", "rpm"))}, set()),
        ({"base_unit": "sheets"}, {"unknown-unit"}),
        ({"pack_size": D(0)}, {"pack-not-positive"}),
        ({"gtin": "4006381333932"}, {"gtin-wrong"}),
    ],
)
def test_each_broken_rule_is_named(changes, codes):
    broken = broken_rules(a_sku(**changes))
    assert {rule.code for rule in broken} == codes
    assert all(rule.field for rule in broken)


@pytest.mark.parametrize(
    ("gtin", "valid"),
    [("96385074", True), ("036000291452", True), ("00012345600012", True), ("123", False), ("٤٠٠٦٣٨١٣", False)],
)
def test_gtins_are_checked_by_length_and_check_digit(gtin, valid):
    assert gtin_is_valid(gtin) is valid


def test_a_card_goes_from_draft_through_moderation_to_the_archive():
    state = SkuState.DRAFT
    for step, reasons in [
        (SkuStep.SUBMIT, ()),
        (SkuStep.RETURN, ("no photo",)),
        (SkuStep.SUBMIT, ()),
        (SkuStep.PUBLISH, ()),
        (SkuStep.ARCHIVE, ("gone",)),
    ]:
        state = next_state(state, step, a_sku(), reasons=reasons)
    assert state is SkuState.ARCHIVED


def test_steps_out_of_turn_are_refused():
    allowed = 0
    for state in SkuState:
        for step in SkuStep:
            try:
                next_state(state, step, a_sku(), reasons=("because",))
                allowed += 1
            except WrongState as refused:
                assert refused.numbers == {"state": str(state), "step": str(step)}
    assert allowed == 5


def test_a_broken_card_is_not_submitted_and_a_return_needs_a_reason():
    with pytest.raises(TooFewAttributes):
        next_state(SkuState.DRAFT, SkuStep.SUBMIT, a_sku(category="90910000", attributes=PAPER[:1]))
    with pytest.raises(CardReasonMissing):
        next_state(SkuState.MODERATION, SkuStep.RETURN, a_sku())


def test_a_published_card_changes_only_by_the_next_version():
    check_new_version(a_sku(), a_sku(version=2))
    for other in (a_sku(), a_sku(version=3), a_sku(sku_id="paper-2", version=2)):
        with pytest.raises(PublishedSkuImmutable):
            check_new_version(a_sku(), other)


def test_near_duplicates_come_most_alike_first():
    reworded = a_sku(sku_id="paper-2", gtin="", name="A4 copy PAPER, 80 g/m2")
    heavier = a_sku(
        sku_id="paper-3",
        gtin="",
        name="Copy paper A4 120 g/m²",
        attributes=(PAPER[0], SkuAttribute("grammage", "120", "GM"), *PAPER[2:]),
    )
    same_code = a_sku(sku_id="paper-4", name="Büropapier")
    stapler = a_sku(sku_id="stapler", gtin="", name="Stapler, metal", attributes=(SkuAttribute("colour", "red"),))
    found = near_duplicates(a_sku(), [stapler, heavier, reworded, same_code, a_sku(version=2)])
    assert [one.sku_id for one in found] == ["paper-2", "paper-4", "paper-3"]
    assert [one.score >= LIKELY_DUPLICATE for one in found] == [True, True, False]


def test_another_pack_is_alike_but_no_duplicate():
    box = a_sku(sku_id="paper-5", gtin="", pack_size=D(2500))
    assert 0.6 <= likeness(a_sku(gtin=""), box) < LIKELY_DUPLICATE
    assert likeness(a_sku(), box) == likeness(box, a_sku())


def a_fat_sku(characters: int, attributes: int = 100, **changes) -> Sku:
    """A SKU with that many attributes of that many characters each, all different words."""
    words = (f"{number:x}" for number in range(10**9))
    values = []
    for _ in range(attributes):
        said = ""
        while len(said) < characters:
            said += f"{next(words)} "
        values.append(said[:characters])
    made = tuple(SkuAttribute(f"a{place}", value) for place, value in enumerate(values))
    return a_sku(attributes=(*PAPER, *made), **changes)


def test_the_texts_of_a_card_are_bounded_together():
    def codes(**changes) -> list[str]:
        return [each.code for each in broken_rules(a_sku(**changes))]

    plain = a_sku().length
    assert codes(description="x" * (MOST_CHARACTERS - plain)) == []
    [refused] = broken_rules(a_sku(description="x" * (MOST_CHARACTERS - plain + 1)))
    assert (refused.code, refused.numbers) == (
        "card-too-long",
        {"letters": MOST_CHARACTERS + 1, "most": MOST_CHARACTERS},
    )
    assert "card-too-long" in {each.code for each in broken_rules(a_fat_sku(1_000))}


def test_cards_are_compared_by_what_their_first_characters_say():
    fat = a_fat_sku(8_500)
    assert len(fat.tokens) <= COMPARED_CHARACTERS
    assert {"copy", "paper", "a4", "alba"} <= fat.tokens.keys()
    assert likeness(fat, a_sku(gtin="")) < 0.1
    assert likeness(fat, a_fat_sku(8_500, sku_id="paper-2", gtin="")) == 1


def test_a_word_weighs_as_often_as_one_attribute_has_it_and_twice_in_the_name():
    card = a_sku(name="Tea tea", attributes=(SkuAttribute("a", "mint mint mint tea"), SkuAttribute("b", "mint green")))
    assert card.tokens == {"tea": 2, "mint": 3, "green": 1}
