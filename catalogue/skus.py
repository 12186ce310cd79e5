"""A SKU, one catalogue card: its required content, the steps to its publication, and the published cards that are
similar.

Rules: docs/rules.md section 2. Time is an argument; the caller computes the working days of moderation.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

import msgspec

from catalogue.categories import attribute_definitions, broken_attribute, read_code
from catalogue.policy.cards import USUAL, CatalogueRules
from catalogue.rules import NameMissing, RuleBroken, Typed
from catalogue.units import PackNotPositive, UnknownUnit, is_misleading, read_unit, unit

LIKELY_DUPLICATE = 0.8
MOST_CHARACTERS = 20_000
"""The most characters of the name, description and attributes of one card together. Longer cards that a former release
accepted stay."""
COMPARED_CHARACTERS = 2_000
"""Cards are compared by this many first characters of the name and attributes, which is several times the usual length."""


class TooFewAttributes(RuleBroken):
    code = "too-few-attributes"


class CardTooLong(RuleBroken):
    code = "card-too-long"


class AttributeRepeated(RuleBroken):
    code = "attribute-repeated"


class AttributeEmpty(RuleBroken):
    code = "attribute-empty"


class GtinWrong(RuleBroken):
    """The GTIN does not have 8, 12, 13 or 14 digits, or its check digit is wrong (GS1 General Specifications, section
    7.9)."""

    code = "gtin-wrong"


class WrongState(RuleBroken):
    """The card is not in a state that allows the step, such as publishing a draft that was not moderated."""

    code = "wrong-state"


class CardReasonMissing(RuleBroken):
    """A card is returned or archived only with a reason."""

    code = "card-reason-missing"


class PublishedSkuImmutable(RuleBroken):
    """A published SKU can be changed only by the next version."""

    code = "published-sku-immutable"


class PackChanged(RuleBroken):
    """Offers are prices of a pack, so another pack is another SKU, not a new version."""

    code = "pack-changed"


class SkuAttribute(msgspec.Struct, frozen=True):
    """``unit`` is a text that :func:`catalogue.units.parse_unit` reads, as it was typed, or "". Older cards may have any
    text."""

    name: str
    value: str
    unit: str = ""


class Sku(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of a card. ``pack_size`` base units (Rec 20 code) make the pack to which the prices of offers refer;
    ``group`` joins variants (sizes, colours); ``category`` is a CPV code."""

    sku_id: str
    version: int = 1
    name: str
    category: str
    attributes: tuple[SkuAttribute, ...]
    base_unit: str
    pack_size: Decimal = Decimal(1)
    description: str = ""
    gtin: str = ""
    group: str = ""
    images: tuple[str, ...] = ()
    language: str = "en"

    @property
    def length(self) -> int:
        """The number of characters in the name, the description and the attributes together."""
        said = (text for each in self.attributes for text in (each.name, each.value, each.unit))
        return sum(map(len, (self.name, self.description, *said)))

    @cached_property
    def tokens(self) -> Counter[str]:
        """Words of the name (weight 2) and of the attribute values (weight 1) among the first COMPARED_CHARACTERS, to
        compare cards."""
        name = _apart(self.name, COMPARED_CHARACTERS)
        words = Counter({word: 2 for word in words_of(name)})
        left = COMPARED_CHARACTERS - len(name)
        for attribute in self.attributes:
            if left <= 0:
                break
            said = _apart(f"{attribute.value} {attribute.unit}", left)
            left -= len(said)
            for word, times in Counter(words_of(said)).items():
                words[word] = max(words[word], times)
        return words


class SkuState(StrEnum):
    DRAFT = "draft"
    MODERATION = "moderation"
    PUBLISHED = "published"
    RETURNED = "returned"
    ARCHIVED = "archived"


class SkuStep(StrEnum):
    SUBMIT = "submit"
    PUBLISH = "publish"
    RETURN = "return"
    ARCHIVE = "archive"


_NEXT: dict[tuple[SkuState, SkuStep], SkuState] = {
    (SkuState.DRAFT, SkuStep.SUBMIT): SkuState.MODERATION,
    (SkuState.RETURNED, SkuStep.SUBMIT): SkuState.MODERATION,
    (SkuState.MODERATION, SkuStep.PUBLISH): SkuState.PUBLISHED,
    (SkuState.MODERATION, SkuStep.RETURN): SkuState.RETURNED,
    (SkuState.PUBLISHED, SkuStep.ARCHIVE): SkuState.ARCHIVED,
}


class Similar(msgspec.Struct, frozen=True):
    """A card like the one proposed; ``score`` 0 to 1, at 1 for the same GTIN or the same words."""

    sku_id: str
    score: float


def broken_rules(sku: Sku, rules: CatalogueRules = USUAL) -> tuple[RuleBroken, ...]:
    """Every rule the card breaks, in the order of its fields; empty when it may go to moderation."""
    return tuple(_broken(sku, rules))


def _broken(sku: Sku, rules: CatalogueRules) -> Iterator[RuleBroken]:
    if not sku.name.strip():
        yield NameMissing("A SKU has a name.", field="name")
    numbers: set[str] = set()
    try:
        read_code(sku.category)
    except RuleBroken as broken_code:
        yield broken_code
    else:
        given = {attribute.name: attribute for attribute in sku.attributes}
        for definition in attribute_definitions(sku.category):
            attribute = given.get(definition.name, SkuAttribute(definition.name, ""))
            if definition.kind == "number":
                numbers.add(definition.name)
            if broken := broken_attribute(definition, attribute.value, attribute.unit):
                yield broken
    if len(sku.attributes) < rules.fewest_attributes:
        yield TooFewAttributes(
            f"A SKU must have at least {rules.fewest_attributes} attributes; this one has {len(sku.attributes)}.",
            field="attributes",
            given=len(sku.attributes),
            fewest=rules.fewest_attributes,
        )
    if sku.length > MOST_CHARACTERS:
        yield CardTooLong(
            f"Name, description and attributes of a SKU may have {MOST_CHARACTERS} characters together;"
            f" these have {sku.length}: shorten them.",
            field="attributes",
            letters=sku.length,
            most=MOST_CHARACTERS,
        )
    counted = Counter(attribute.name.strip().casefold() for attribute in sku.attributes)
    for name, times in counted.items():
        if times > 1:
            yield AttributeRepeated(
                f"The attribute {name!r} is given {times} times.", field="attributes", attribute=name, times=times
            )
    for attribute in sku.attributes:
        if not attribute.name.strip() or not attribute.value.strip():
            yield AttributeEmpty("An attribute has a name and a value.", field="attributes", attribute=attribute.name)
    yield from _misleading_units(sku.attributes, numbers)
    try:
        unit(sku.base_unit)
    except UnknownUnit as unknown:
        yield UnknownUnit(unknown.message, field="base_unit", unit=Typed(sku.base_unit))
    if not (sku.pack_size.is_finite() and sku.pack_size > 0):
        yield PackNotPositive(
            f"The size of a pack must be above zero, not {sku.pack_size}.", field="pack_size", pack_size=sku.pack_size
        )
    if sku.gtin and not gtin_is_valid(sku.gtin):
        yield GtinWrong(f"{sku.gtin!r} is not a GTIN: its length or check digit is wrong.", field="gtin", gtin=sku.gtin)


def _misleading_units(attributes: Iterable[SkuAttribute], numbers: Container[str]) -> Iterator[RuleBroken]:
    """The units that would be read as others than most people mean. Those of ``numbers`` are checked with their values. A
    text that is no unit of the market, such as rpm, stays as it was typed."""
    for attribute in attributes:
        if is_misleading(attribute.unit) and attribute.name not in numbers:
            try:
                read_unit(attribute.unit, f"attributes.{attribute.name}")
            except UnknownUnit as unknown:
                yield unknown


def gtin_is_valid(gtin: str) -> bool:
    """GTIN-8, -12, -13 or -14 with a correct check digit: the digits, weighted 1, 3, 1, 3 … from the right, sum to a
    multiple of ten."""
    if not re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", gtin):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(gtin))) % 10 == 0


def next_state(
    state: SkuState, step: SkuStep, sku: Sku, *, reasons: tuple[str, ...] = (), rules: CatalogueRules = USUAL
) -> SkuState:
    """The state after the step. Raise WrongState, the first broken rule of a card submitted, or CardReasonMissing if a
    card is returned or archived without a reason."""
    after = _NEXT.get((state, step))
    if after is None:
        raise WrongState(
            f"The state of this SKU is “{state}”: that is not possible any more. Load the page again.",
            state=str(state),
            step=str(step),
        )
    if step is SkuStep.SUBMIT and (broken := broken_rules(sku, rules)):
        raise broken[0]
    if step in (SkuStep.RETURN, SkuStep.ARCHIVE) and not any(reason.strip() for reason in reasons):
        raise CardReasonMissing("Say why this card is returned or archived.", field="reasons")
    return after


def check_new_version(published: Sku, proposed: Sku) -> None:
    """Check that a change to a published card is the next version of the same SKU, with the same pack.

    Raise PublishedSkuImmutable, PackChanged.
    """
    if proposed.sku_id != published.sku_id or proposed.version != published.version + 1:
        raise PublishedSkuImmutable(
            f"SKU {published.sku_id} is published as version {published.version}; it changes only by version "
            f"{published.version + 1}, not {proposed.version}.",
            field="version",
            sku=published.sku_id,
            published=published.version,
            proposed=proposed.version,
        )
    if (proposed.base_unit, proposed.pack_size) != (published.base_unit, published.pack_size):
        raise PackChanged(
            f"Offers price a pack of {published.pack_size} {published.base_unit}; an offer of another pack needs another SKU.",
            field="pack_size",
            published=published.pack_size,
            unit=published.base_unit,
            proposed=proposed.pack_size,
        )


def likeness(one: Sku, other: Sku) -> float:
    """How alike two cards are, 0 to 1: the weight of the words they share over the weight of all (weighted Jaccard).

    The same GTIN is 1. Numbers are words: 80 g and 90 g paper differ. Another pack size caps it below LIKELY_DUPLICATE.
    """
    if one.gtin and one.gtin == other.gtin:
        return 1.0
    shared = (one.tokens & other.tokens).total()
    every = one.tokens.total() + other.tokens.total() - shared
    alike = shared / every if every else 0.0
    same_pack = (one.base_unit, one.pack_size) == (other.base_unit, other.pack_size)
    return alike if same_pack else min(alike, LIKELY_DUPLICATE - 0.01)


def near_duplicates(proposed: Sku, candidates: Iterable[Sku], *, at_least: float = 0.6) -> tuple[Similar, ...]:
    """Other cards to show before this one may be proposed, most alike first. ``candidates`` are pre-filtered (a search for
    the name, or the category); versions of the same SKU do not count."""
    scored = (
        Similar(other.sku_id, likeness(proposed, other)) for other in candidates if other.sku_id != proposed.sku_id
    )
    return tuple(sorted((one for one in scored if one.score >= at_least), key=lambda one: (-one.score, one.sku_id)))


def _apart(text: str, most: int) -> str:
    """The first ``most`` characters after decomposition, in which accents and parts count as letters: one character may
    give eighteen."""
    return unicodedata.normalize("NFKD", text[:most])[:most]


def words_of(text: str) -> list[str]:
    """Lower-case words without accents, numbers split from letters ("80g/m²" → 80, g, m2), decimal commas as points."""
    folded = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return [word.replace(",", ".") for word in re.findall(r"\d+(?:[.,]\d+)?|[^\W\d_]+\d?", bare)]
