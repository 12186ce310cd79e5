from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.search import Index, IndexedCard, SkuSearch
from catalogue.skus import Sku, SkuAttribute


def a_card(sku_id, name, category="30197643", language="en", attributes=(), **offers) -> IndexedCard:
    sku = Sku(
        sku_id=sku_id,
        name=name,
        category=category,
        language=language,
        attributes=tuple(SkuAttribute(*pair) for pair in attributes),
        base_unit="C62",
        pack_size=D(1),
    )
    return IndexedCard(sku=sku, **offers)


CARDS = [
    a_card(
        "paper-a4",
        "Copy paper A4 80g/m²",
        attributes=(("format", "A4"), ("brand", "Alba")),
        regions=("RU-MOW",),
        min_price=450,
    ),
    a_card(
        "paper-a3",
        "Copy papers A3",
        attributes=(("format", "A3"),),
        regions=("RU",),
        min_price=900,
        eco_labels=("Blue Angel",),
    ),
    a_card(
        "toner",
        "Toner cartridge for printers",
        "30125100",
        regions=("RU-SPE",),
        min_price=7000,
        supplier_sizes=("micro",),
    ),
    a_card("gloves", "Guantes de látex estériles", "33141420", "es", min_price=120),
    a_card("gloves-ru", "Перчатки медицинские стерильные", "33141420", "ru"),
    a_card("aspirin", "Ácido acetilsalicílico comprimidos", "33661200", "pt"),
]


@pytest.fixture(scope="module")
def index() -> Index:
    index = Index.in_memory()
    index.rebuild(CARDS)
    return index


def ids(index: Index, text: str = "", **wanted) -> list[str]:
    return list(index.search(SkuSearch(text=text, **wanted)).sku_ids)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("papers", ["paper-a3", "paper-a4"]),
        ("copying paper a4", ["paper-a4"]),
        ("papre", ["paper-a4"]),
        ("cartrige", ["toner"]),
        ("tone", ["toner"]),
        ("80 g", ["paper-a4"]),
        ("80g", ["paper-a4"]),
        ("ALBA", ["paper-a4"]),
        ("guante latex", ["gloves"]),
        ("перчатка медицинская", ["gloves-ru"]),
        ("acido", ["aspirin"]),
        ("comprimido", ["aspirin"]),
        ("xylophone", []),
    ],
)
def test_words_are_found_by_stem_typo_beginning_and_without_accents(index, text, found):
    assert sorted(ids(index, text)) == found


def test_when_no_card_has_every_word_any_word_will_do(index):
    assert ids(index, "toner xylophone") == ["toner"]


def test_an_exact_name_ranks_before_a_typo(index):
    assert ids(index, "paper a4")[0] == "paper-a4"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"category": "30"}, {"paper-a4", "paper-a3", "toner"}),
        ({"category": "33141420-0"}, {"gloves", "gloves-ru"}),
        ({"region": "RU-MOW"}, {"paper-a4", "paper-a3"}),
        ({"price_to": 900}, {"paper-a4", "paper-a3", "gloves"}),
        ({"price_from": 451, "price_to": 900}, {"paper-a3"}),
        ({"eco_label": "Blue Angel"}, {"paper-a3"}),
        ({"supplier_size": "micro"}, {"toner"}),
        ({"attributes": (("format", "A4"),)}, {"paper-a4"}),
    ],
)
def test_filters_narrow(index, wanted, found):
    assert set(ids(index, **wanted)) == found


def test_facets_count_what_matches_at_every_level(index):
    found = index.search(SkuSearch(text="paper"))
    assert found.total == 2
    assert found.facets["category"]["30000000"] == 2
    assert found.facets["attribute"]["format=A4"] == 1
    assert found.facets["region"] == {"RU": 1, "RU-MOW": 1}
    assert index.search(SkuSearch(facets=False)).facets == {}


def test_pages_by_price_cover_everything_once_with_unpriced_cards_last(index):
    pages = [ids(index, sort="price", limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert pages[:2] == [["gloves", "paper-a4"], ["paper-a3", "toner"]]
    assert set(pages[2]) == {"gloves-ru", "aspirin"} and pages[3] == []


def test_putting_a_card_again_replaces_it_and_deleting_removes_it(tmp_path):
    index = Index.open(tmp_path)
    for name in ("Old name", "New name", "New name"):
        index.put(a_card("one", name))
    index.put(a_card("two", "Other"))
    index.commit()
    assert len(index) == 2 and ids(index, "old") == [] and ids(index, "new") == ["one"]
    index.delete("one")
    index.commit()
    assert ids(index) == ["two"]
    assert ids(Index.open(tmp_path)) == ["two"]


@given(st.text(st.characters(), max_size=60))
def test_no_text_is_an_error(index, text):
    found = index.search(SkuSearch(text=text, eco_label=text, attributes=((text, text),), region=text))
    assert found.total == 0
    index.search(SkuSearch(text=text))


@pytest.mark.parametrize(
    "text",
    ['"', "name:", "a AND", "*", "(", "\\", "\ud800", "\0", "' or 1=1", "a" * 5000, "ß ☃ 🦆", "/.*/", "^~2", "_"],
)
def test_query_syntax_and_oddities_are_words_like_any_other(index, text):
    assert index.search(SkuSearch(text=text)).total >= 0
    assert index.search(SkuSearch(text=f"toner {text}")).sku_ids
