from decimal import Decimal as D

import pytest

from catalogue.unit_table import BASES
from catalogue.unit_words import WORDS
from catalogue.units import (
    UNITS,
    NotComparable,
    Pack,
    PackNotPositive,
    PriceTooLong,
    UnknownUnit,
    UnparseableNumber,
    UnparseableUnit,
    _plain,
    base_unit,
    parse_pack,
    parse_quantity,
    parse_unit,
    per_base_unit,
    unit,
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Bucată", "H87"),
        ("Metru pătrat", "MTK"),
        ("шт.", "H87"),
        ("հատ", "H87"),
        ("Kilogramos", "KGM"),
        ("COMPRIMIDO - GENÉRI", "U2"),
        ("FRASCO-AMPOLA", "XVI"),
        ("cu. meter", "MTQ"),
        ("m²", "MTK"),
        ("dram", "LS"),
        ("Unidad Medida Global", "LS"),
        ("hur", "HUR"),
        ("square metre", "MTK"),
    ],
)
def test_units_are_read_in_the_languages_buyers_write(text, code):
    found = parse_unit(text)
    assert found is not None and found.code == code


@pytest.mark.parametrize("text", ["", None, "_NO_APLICA_", "kilogramm of", "...", "x"])
def test_an_unknown_word_is_no_unit(text):
    assert parse_unit(text) is None


@pytest.mark.parametrize(
    ("text", "pack"),
    [
        ("FRASCO 10.00 ML", Pack(D(10), "MLT")),
        ("CAIXA 100,00 UN", Pack(D(100), "C62")),
        ("AMPOLA 2,00 ML - GE", Pack(D(2), "MLT")),
        ("SACHÊ 5G", Pack(D(5), "GRM")),
        ("FRASCO 200.00 DOSES", Pack(D(200), "E27")),
        ("caja de 50 unidades", Pack(D(50), "C62")),
        ("500 g", Pack(D(500), "GRM")),
        ("COMPRIMIDO", Pack(D(1), "U2")),
    ],
)
def test_packs_are_read_with_their_content(text, pack):
    assert parse_pack(text) == pack


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        *((text, UnparseableUnit) for text in ("", "10 x 5 ml", "1/2 l", "LITRO 2 ML", "FRASCO 2 foo", "3")),
        ("FRASCO 1.000 ML", UnparseableNumber),
    ],
)
def test_what_would_need_a_guess_is_refused_with_the_reason(text, rule):
    with pytest.raises(rule) as refused:
        parse_pack(text)
    assert refused.value.message and refused.value.numbers["text"] is not None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10.00", "10.00"),
        ("100,00", "100.00"),
        ("1.000,50", "1000.50"),
        ("5.000.000", "5000000"),
        ("0,125", "0.125"),
        ("7", "7"),
    ],
)
def test_both_ways_of_writing_numbers_are_read(text, number):
    assert parse_quantity(text) == D(number)


@pytest.mark.parametrize("text", ["1.000", "12,345", "", "1,2,3", "1.00.000,5"])
def test_an_ambiguous_or_broken_number_is_refused(text):
    with pytest.raises(UnparseableNumber):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["0", "0,000"])
def test_a_size_that_is_not_above_zero_is_refused(text):
    for read in (parse_quantity, lambda size: parse_pack(f"FRASCO {size} ML")):
        with pytest.raises(PackNotPositive):
            read(text)
    with pytest.raises(PackNotPositive):
        parse_quantity("-1")


def test_prices_compare_per_base_unit():
    assert per_base_unit(D("1.4659"), Pack(D(10), "MLT")) == (D("146.59"), unit("LTR"))
    assert per_base_unit(D("12"), Pack(D(1), "DZN")) == (D(1), unit("C62"))
    assert per_base_unit(D("1"), Pack(D(60), "MIN")) == (D(1), unit("HUR"))


def test_lump_sums_and_unknown_contents_do_not_compare():
    for code in ("LS", "XBO"):
        with pytest.raises(NotComparable):
            per_base_unit(D(1), Pack(D(1), code))
    with pytest.raises(PackNotPositive):
        per_base_unit(D(1), Pack(D(0), "LTR"))
    with pytest.raises(PriceTooLong):
        per_base_unit(D("1E+999999"), Pack(D(1), "LTR"))
    with pytest.raises(UnknownUnit):
        unit("nope")


def test_every_dimension_that_converts_has_a_base_of_factor_one():
    for code, row in UNITS.items():
        assert base_unit(code).factor == 1
        assert row.dimension in BASES or row.factor == 1


def test_no_word_means_two_units():
    meanings: dict[str, set[str]] = {}
    for code, words in WORDS.items():
        for word in words.split("|"):
            assert word
            meanings.setdefault(_plain(word), set()).add(code)
    assert {word: codes for word, codes in meanings.items() if len(codes) > 1} == {}
    assert set(WORDS) <= set(UNITS)


@pytest.mark.parametrize("text", ["4L", "4l", " 4g", "4H"])
def test_a_number_with_a_unit_is_no_unit_even_where_it_is_a_code(text: str) -> None:
    """In Rec 20 4L is a megabyte, but everybody who writes it means four litres."""
    assert parse_unit(text) is None
    assert parse_unit("megabyte") == unit("4L") and parse_unit("2P") == unit("2P")


def test_a_pack_of_a_number_of_units_is_read_as_that() -> None:
    assert parse_pack("4L") == Pack(D(4), "LTR")


def test_a_unit_of_many_spaces_is_read_once() -> None:
    """In quadratic time this would take hours."""
    assert parse_unit("kg" + " " * 1_000_000 + "-") == parse_unit("kg")
    assert parse_unit("kg" + " " * 1_000_000 + "x") is None
