"""The catalogue's search at 100,000 SKUs: a page of hits with its facet counts, beside the same page without words and facets.

Cards are made from a seeded vocabulary with a few common and many rare words, as in a real catalogue; searches use
words of existing cards, every third with a typing error, every fourth with a filter.
"""

import random
import time
from collections.abc import Callable
from decimal import Decimal

from catalogue.search import Index, IndexedCard, SkuSearch
from catalogue.skus import Sku, SkuAttribute
from infra.embedded import Servers
from tests.benchmarks import Figure

SKUS = 100_000
SEARCHES = 400
SYLLABLES = ("pa", "per", "to", "ner", "ca", "ble", "glo", "ve", "so", "lu", "ti", "on", "ma", "te", "ri", "al")
CATEGORIES = ("30197630", "30125100", "30213000", "33600000", "33140000", "39830000", "39110000", "09130000")
REGIONS = ("RU-MOW", "RU-SPE", "RU-NIZ", "RU", "BR-SP", "BR")


async def measure(servers: Servers) -> list[Figure]:
    """The figures. They need no servers, because the index is in the memory of the web process."""
    chance = random.Random(1)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(4_000)]
    cards = [_card(chance, words, number) for number in range(SKUS)]
    index = Index.in_memory()
    begun = time.perf_counter()
    index.rebuild(cards)
    building = time.perf_counter() - begun
    searches = [_search(chance, cards, number) for number in range(SEARCHES)]
    listing = [SkuSearch(facets=False) for _ in range(SEARCHES)]
    for wanted in searches[:20]:
        index.search(wanted)
    found = _p95(index.search, searches)
    bare = _p95(index.search, listing)
    return [
        Figure(
            name="search p95 at 100,000 SKUs",
            value=found,
            unit="ms",
            limit=bare,
            ratio=found / bare,
            aim="below 100 ms; the limit is a listing without words and facets",
        ),
        Figure(name="search index built", value=SKUS / building, unit="SKUs/s"),
    ]


def _card(chance: random.Random, words: list[str], number: int) -> IndexedCard:
    # A power of a uniform number: the first words of the vocabulary are in many names, the last in few.
    name = " ".join(words[int(len(words) * chance.random() ** 3)] for _ in range(5))
    attributes = tuple(SkuAttribute(trait, str(chance.randint(1, 40))) for trait in ("size", "grade", "width", "brand"))
    sku = Sku(
        sku_id=f"sku-{number}",
        name=f"{name} {chance.randint(1, 500)}",
        category=chance.choice(CATEGORIES),
        attributes=attributes,
        base_unit="C62",
        pack_size=Decimal(1),
    )
    regions = tuple(chance.sample(REGIONS, 2))
    return IndexedCard(sku=sku, regions=regions, min_price=chance.randint(100, 1_000_000))


def _search(chance: random.Random, cards: list[IndexedCard], number: int) -> SkuSearch:
    picked = chance.sample(chance.choice(cards).sku.name.split()[:5], 2)
    if number % 3 == 0 and len(picked[0]) > 4:
        picked[0] = picked[0][:2] + picked[0][3:]
    region = chance.choice(REGIONS[:3]) if number % 4 == 0 else None
    return SkuSearch(text=" ".join(picked), region=region)


def _p95(search: Callable[[SkuSearch], object], searches: list[SkuSearch]) -> float:
    """The 95th percentile, in milliseconds."""
    taken = []
    for wanted in searches:
        begun = time.perf_counter()
        search(wanted)
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[int(len(taken) * 0.95)] * 1000
