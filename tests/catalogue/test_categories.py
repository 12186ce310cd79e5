import gzip

import msgspec
import pytest

from catalogue.categories import (
    Categories,
    CheckDigitWrong,
    MalformedCategory,
    UnknownDivision,
    attribute_definitions,
    broken_attribute,
    division,
    is_goods,
    is_services,
    is_works,
    load_cpv,
    normalise,
    plain_code,
    prefixes,
    read_beginning,
    read_code,
    short_cpv,
)


@pytest.mark.parametrize(
    ("given", "code"), [("30197642-8", "30197642"), ("30", "30000000"), ("09", "09000000"), (" 45233140 ", "45233140")]
)
def test_codes_are_read_with_or_without_check_digit(given, code):
    assert normalise(given) == code


@pytest.mark.parametrize("given", ["", "3", "N1095", "301976421", "43211508-001", "30197642-"])
def test_what_is_no_cpv_code_is_refused(given):
    with pytest.raises(MalformedCategory):
        normalise(given)


@pytest.mark.parametrize("given", ["3110000-5", "3019764-8", "30-9", "30197642-5", "30197624-8", "09100000-9"])
def test_a_digit_that_was_lost_or_mistyped_is_seen_by_the_check_digit(given):
    with pytest.raises(CheckDigitWrong) as refused:
        read_code(given, "lines", line="1")
    assert (refused.value.code, refused.value.field) == ("category-check-digit", "lines")
    assert refused.value.numbers == {"given": given, "line": "1"}


@pytest.mark.parametrize(
    "code",
    ["31100000-7", "03300000-2", "03417100-7", "33141113-4", "72410000-7", "09000000-3", "45233140-2"],
)
def test_codes_that_the_vocabulary_moved_keep_their_digit(code):
    assert normalise(code) == code[:8]


@pytest.mark.parametrize(
    ("written", "plain"),
    [("30197642-8", "30197642"), ("30", "30000000"), ("30197642-1", "30197642-1"), ("banana", "banana")],
)
def test_a_code_from_elsewhere_is_written_as_here_if_it_can_be(written, plain):
    assert plain_code(written) == plain


def test_prefixes_widen_from_the_division_down():
    assert prefixes("30197642-8") == (
        "30000000",
        "30100000",
        "30190000",
        "30197000",
        "30197600",
        "30197640",
        "30197642",
    )
    assert prefixes("30") == ("30000000",)


@pytest.mark.parametrize(
    ("code", "kind"), [("30197642", "goods"), ("48000000", "goods"), ("45233140", "works"), ("90911200", "services")]
)
def test_every_division_is_goods_works_or_services(code, kind):
    assert [is_goods(code), is_works(code), is_services(code)] == [
        kind == name for name in ("goods", "works", "services")
    ]


def test_the_tree_that_ships_has_the_45_divisions_and_no_orphans():
    tree = short_cpv()
    assert len(tree.children()) == 45
    assert {division(code) for code in tree.children()} == {code[:2] for code in tree.children()}
    seen, waiting = 0, list(tree.children())
    while waiting:
        code = waiting.pop()
        seen += 1
        waiting += tree.children(code)
    assert seen == len(tree)


def test_a_code_below_the_table_takes_the_name_of_what_it_lies_in():
    assert short_cpv().name("30197643-5") == "Photocopier paper"
    assert short_cpv().name("45233141-9") == short_cpv().name("45233140")
    assert short_cpv().name("00") == "00000000"
    assert "30197643-5" in short_cpv() and "45233141" not in short_cpv()


def test_search_finds_beginnings_of_words_and_of_codes():
    tree = short_cpv()
    assert "30197643" in tree.search("photocop pap")
    assert all(code.startswith("3019764") for code in tree.search("3019764")) and tree.search("3019764")
    assert tree.search("  ") == () and tree.search("*?(") == ()


def test_the_whole_vocabulary_is_loaded_and_the_later_name_wins(tmp_path):
    rows = [
        {"code": "15000000-8", "name": "Food, beverages, tobacco and related products", "version": 2},
        {"code": "15000000-8", "name": "Food products and beverages", "version": 1},
        {"code": "15500000-3", "name": "Dairy products", "parent": "15000000-8"},
    ]
    path = tmp_path / "cpv.json.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(rows)))
    tree = load_cpv(path)
    assert isinstance(tree, Categories) and tree.children("15") == ("15500000",)
    assert tree.name("15") == "Food, beverages, tobacco and related products"


def test_paper_asks_for_its_attributes():
    asked = {definition.name: definition for definition in attribute_definitions("30197643")}
    assert broken_attribute(asked["format"], "A4", "") is None
    assert broken_attribute(asked["grammage"], "80", "g/m2") is None
    assert broken_attribute(asked["whiteness"], "", "") is None
    assert [
        broken_attribute(asked[name], value, unit).code
        for name, value, unit in [
            ("format", "", ""),
            ("format", "A7", ""),
            ("grammage", "much", "GM"),
            ("grammage", "-5", "GM"),
            ("grammage", "80", "kg"),
        ]
    ] == [
        "attribute-missing",
        "attribute-not-a-choice",
        "attribute-not-a-number",
        "attribute-not-positive",
        "attribute-unit-unknown",
    ]
    unsaid, other = (broken_attribute(asked["grammage"], "80", unit).message for unit in ("", "kg"))
    assert unsaid == "'grammage' has no unit: write gram per square metre, or a unit that converts to it."
    assert other.startswith("'grammage' has the unit 'kg': write gram")
    assert broken_attribute(asked["recycled"], "maybe", "").code == "attribute-not-a-choice"


@pytest.mark.parametrize(
    ("given", "beginning"),
    [
        ("", ""),
        ("30", "30"),
        ("300", "30"),
        ("3010", "301"),
        ("3019", "3019"),
        ("30000000", "30"),
        ("30190000-7", "3019"),
        ("30197642-8", "30197642"),
        (" 09000000-3 ", "09"),
    ],
)
def test_a_list_is_asked_for_the_digits_that_count(given: str, beginning: str) -> None:
    assert read_beginning(given) == beginning


@pytest.mark.parametrize("given", ["banana", "3", "99", "30197642-1", "301976421"])
def test_a_list_cannot_be_asked_for_a_category_that_does_not_exist(given: str) -> None:
    with pytest.raises((MalformedCategory, UnknownDivision)) as refused:
        read_beginning(given)
    assert refused.value.field == "category"
