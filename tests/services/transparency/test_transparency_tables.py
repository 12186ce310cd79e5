"""CSV files by column mappings."""

import hashlib
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from events.codec import written
from events.contracts import ContractConcluded
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.process import OcdsProcess
from services.transparency.ocds.rows import read_row
from services.transparency.ocds.sheet import NoTable
from services.transparency.ocds.tables import (
    FIELDS,
    ColumnMapping,
    MappingError,
    Row,
    RowRefused,
    choose_mapping,
    load_mapping,
    read_rows,
    shipped_mappings,
)
from services.transparency.ocds.tolerance import NotUnderstood

MAPPING = """
kind = "prices"
publisher = "P"
namespace = "p"
required = ["date", "item", "unit_price"]
[columns]
date = "Fecha"
item = ["Detalle", "Producto"]
unit_price = "Precio"
quantity = "Cantidad"
unit_text = "Unidad"
supplier = "Proveedor"
[constants]
country = "AR"
currency = "ARS"
[read]
decimal_mark = ","
date_order = "dmy"
"""
HEADER = "Fecha;Detalle;Producto;Precio;Cantidad;Unidad;Proveedor"
ROW = "03/04/2020;;Guantes;1.234,50;2;kg;Peña S.A."


@pytest.fixture
def mapping(publish: Callable[..., Path]) -> ColumnMapping:
    return load_mapping(publish(MAPPING, "m.toml"))


def results(path: Path, mapping: ColumnMapping, ledger: NotUnderstood) -> list[OcdsProcess | RowRefused]:
    return [row if isinstance(row, RowRefused) else read_row(row, mapping, ledger) for row in read_rows(path, mapping)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiter_and_encoding_are_found(
    encoding: str, delimiter: str, publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    content = f"{HEADER}\r\n{ROW}\r\n".replace(";", delimiter).encode(encoding)
    (process,) = results(publish(content, "f.csv"), mapping, ledger)
    assert isinstance(process, OcdsProcess)
    (line,) = process.contracts[0].lines
    assert (line.description, line.unit_price, line.amount) == ("Guantes", Decimal("1234.50"), 2469)
    assert process.contracts[0].suppliers[0].name == "Peña S.A."
    assert process.published_at is not None and process.published_at.month == 4
    assert not ledger.kinds


def test_each_row_is_imported_or_refused_with_row_column_and_reason(
    publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    rows = [
        ROW,
        ROW.replace("1.234,50", "viel"),
        ROW.replace("03/04/2020", ""),
        "a;b",
        "",
        ROW.replace("03/", "33/"),
        ROW,
    ]
    found = results(publish("\n".join([HEADER, *rows]), "f.csv"), mapping, ledger)
    assert [(one.number, one.column, one.reason) for one in found if isinstance(one, RowRefused)] == [
        (3, "Precio", "not a number: viel"),
        (4, "Fecha", "empty"),
        (5, "", "2 cells under 7 columns; give each head a cell, empty where there is nothing to say"),
        (7, "Fecha", "no such date: 33/04/2020"),
    ]
    first, again = (one for one in found if isinstance(one, OcdsProcess))
    assert first.contracts[0].contract_id != again.contracts[0].contract_id, "a purchase repeated is one more"


def test_reading_a_file_again_gives_the_same_events(
    publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    path = publish(f"{HEADER}\n{ROW}\n{ROW}", "f.csv")
    once, twice = (
        [events_of(one, ledger) for one in results(path, mapping, ledger) if isinstance(one, OcdsProcess)] for _ in "12"
    )
    assert once == twice


def test_a_quoted_cell_may_hold_lines_and_delimiters(
    publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    row = ROW.replace("Guantes", '"Guantes;\n""talla"" M"')
    (process,) = results(publish(f"{HEADER}\n{row}", "f.csv"), mapping, ledger)
    assert isinstance(process, OcdsProcess)
    assert process.title == 'Guantes; "talla" M'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "prices"', 'kind = "fish"'),
        ("[columns]", "[columns]\nfish = 'x'"),
        ("[read]", "[read]\nfish = 1"),
        ('required = ["date"', 'required = ["fish"'),
        ('kind = "prices"', "kind ="),
        ('namespace = "p"', ""),
    ],
)
def test_a_mapping_that_says_what_we_do_not_know_is_refused(old: str, new: str, publish: Callable[..., Path]) -> None:
    with pytest.raises(MappingError, match=r"m\.toml"):
        load_mapping(publish(MAPPING.replace(old, new), "m.toml"))


def test_a_file_without_the_columns_is_refused_by_name(publish: Callable[..., Path], mapping: ColumnMapping) -> None:
    path = publish("Fecha,Algo\n1,2", "f.csv")
    with pytest.raises(MappingError, match="no column Detalle"):
        list(read_rows(path, mapping))
    with pytest.raises(MappingError, match="--mapping"):
        choose_mapping(path, shipped_mappings("prices"))


@pytest.mark.parametrize(
    ("name", "kind", "rows", "refused"),
    [
        ("canada_awards_2009_2013.csv.gz", "awards", 20856, 0),
        ("brazil_medicine_prices_2025_a.csv", "prices", 1233, 0),
        ("argentina_gcba_emergency_items_2020.csv", "prices", 220, 29),
        ("chile_paper_orders_2024.csv", "prices", 757, 0),
    ],
)
def test_real_tables_are_read_by_the_mappings_shipped(
    name: str, kind: str, rows: int, refused: int, data: Path, ledger: NotUnderstood
) -> None:
    chosen = choose_mapping(data / name, shipped_mappings(kind))
    count = failed = 0
    for number, row in enumerate(read_rows(data / name, chosen)):
        count += 1
        if number % 10 == 0 or rows < 1000:
            failed += isinstance(row if isinstance(row, RowRefused) else read_row(row, chosen, ledger), RowRefused)
    assert (count, failed) == (rows, refused)


def test_quantities_with_dots_for_thousands_are_read_as_the_source_means_them(
    data: Path, ledger: NotUnderstood
) -> None:
    path = data / "argentina_gcba_emergency_items_2020.csv"
    chosen = choose_mapping(path, shipped_mappings("prices"))
    found = [one for one in results(path, chosen, ledger) if isinstance(one, OcdsProcess)]
    quantities = {line.quantity for process in found for line in process.lines}
    assert {Decimal(5_000_000), Decimal(206_280), Decimal(60_000), Decimal(6)} <= quantities


def test_a_text_that_no_event_holds_is_cut_visibly_and_counted(
    publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    (found,) = results(publish(f"{HEADER}\n{ROW.replace('Peña S.A.', 'Ñ' * 50_000)}\n"), mapping, ledger)
    assert isinstance(found, OcdsProcess)
    events = events_of(found, ledger)
    (name,) = {event.supplier_name for event in events if isinstance(event, ContractConcluded)}
    assert len(name) == 2_000 and name.endswith("Ñ…")
    assert ledger.kinds == {"Proveedor: longer than 2000 characters, cut off": 1}
    for event in events:
        assert written(event)


def test_a_text_that_is_too_long_is_reported_once_with_its_column(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    fields = (
        "id title item description category category_title item_code unit_text buyer buyer_id buyer_locality buyer_region "
        "supplier supplier_id supplier_locality supplier_region"
    )
    columns = [f"the {field}" for field in fields.split()]
    named = "\n".join(f'{field} = "the {field}"' for field in fields.split())
    text = re.sub(r"item = .*\n(?s:.*)\[constants\]", lambda _: f'{named}\nunit_price = "Precio"\n[constants]', MAPPING)
    chosen = load_mapping(publish(text, "wide.toml"))
    long = ["5 BOX 100 UN" + "x" * 30_000] * len(columns)
    header = ";".join(["Fecha", "Precio", *columns])
    row = ";".join(["03/04/2020", "5", *long])
    (found,) = results(publish(f"{header}\n{row}\n"), chosen, ledger)
    assert isinstance(found, OcdsProcess)
    for event in events_of(found, ledger):
        assert written(event)
    told = [kind.partition(": ")[0] for kind in ledger.kinds if kind.endswith(("cut off", "left out"))]
    assert sorted(told) == sorted(columns)
    assert set(ledger.kinds.values()) == {1}


def test_an_id_or_code_that_is_too_long_is_left_out_as_a_whole(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    text = MAPPING.replace('quantity = "Cantidad"', 'id = "Cantidad"').replace(
        'unit_text = "Unidad"', 'category = "Unidad"'
    )
    chosen = load_mapping(publish(text, "ids.toml"))
    rows = "\n".join(ROW.replace(";2;kg;", f";{'9' * 399}{number};{'8' * 401};") for number in "12")
    first, second = results(publish(f"{HEADER}\n{rows}\n"), chosen, ledger)
    assert isinstance(first, OcdsProcess) and isinstance(second, OcdsProcess)
    assert first.process_id != second.process_id and len(first.ocid) < 100
    assert first.category is None
    assert ledger.kinds == {
        "Cantidad: longer than 398 characters, left out": 2,
        "Unidad: longer than 400 characters, left out": 2,
    }


def test_a_text_that_was_not_shortened_when_read_is_shortened_in_the_events_and_reported_once(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    long = load_mapping(publish(MAPPING.replace("[constants]", f'[constants]\nbuyer = "{"B" * 3_000}"'), "b.toml"))
    (found,) = results(publish(f"{HEADER}\n{ROW}\n"), long, ledger)
    assert isinstance(found, OcdsProcess)
    events = events_of(found, ledger)
    assert {len(event.buyer_name) for event in events if isinstance(event, ContractConcluded)} == {2_000}
    assert list(ledger.kinds.values()) == [1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\x01\x02", r"no CSV: there is no text in line 1, but U\+0000"),
        (b"%PDF-1.4\n%\xe2\xe3\n\x01", "no CSV: there is no text in line 3"),
        (b"a,b\n1,2\n", "lacks .* `lonja import fields` .* --mapping"),
    ],
)
def test_a_file_that_is_no_table_has_another_error_than_a_table_without_a_mapping(
    content: bytes, said: str, publish: Callable[..., Path]
) -> None:
    with pytest.raises((MappingError, NoTable), match=said):
        choose_mapping(publish(content, "f.csv"), shipped_mappings("prices"))


@pytest.mark.parametrize("price", ["1e400", "1e400000000", "NaN", "9" * 30])
def test_a_price_that_no_rule_could_compute_with_is_refused_by_its_column(
    price: str, publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    (refused,) = results(publish(f"{HEADER}\n{ROW.replace('1.234,50', price)}\n"), mapping, ledger)
    assert isinstance(refused, RowRefused)
    assert (refused.number, refused.column) == (2, "Precio")


def test_an_amount_that_grows_beyond_all_bounds_is_left_out(
    publish: Callable[..., Path], mapping: ColumnMapping, ledger: NotUnderstood
) -> None:
    row = ROW.replace("1.234,50", "9" * 18).replace(";2;", f";{'9' * 18};")
    (found,) = results(publish(f"{HEADER}\n{row}\n"), mapping, ledger)
    assert isinstance(found, OcdsProcess) and found.amount is None
    assert ledger.kinds["quantity x unit price: too many digits"] == 1


@pytest.mark.parametrize(
    ("code", "plain", "scheme"),
    [("30197644-2", "30197644", "CPV"), ("30", "30000000", "CPV"), ("banana", "banana", "p")],
)
def test_a_column_of_cpv_codes_is_held_against_the_rule_for_them(
    code: str, plain: str, scheme: str, publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    text = MAPPING.replace("[columns]", '[columns]\ncategory = "Rubro"').replace(
        "[constants]", '[constants]\ncategory_scheme = "CPV"'
    )
    mapping = load_mapping(publish(text, "m.toml"))
    (process,) = results(publish(f"{HEADER};Rubro\n{ROW};{code}\n", "f.csv"), mapping, ledger)
    assert isinstance(process, OcdsProcess)
    category = process.contracts[0].lines[0].category
    assert category is not None and (category.code, category.scheme) == (plain, scheme)
    assert dict(ledger.kinds).get("Rubro: malformed category", 0) == (scheme == "p")


# Files as programs write them, and as people damage them

SMALL = """
kind = "prices"
publisher = "P"
namespace = "small"
required = ["date", "unit_price"]
[columns]
date = "date"
item = "item"
unit_price = "price"
quantity = "qty"
[constants]
country = "BR"
currency = "BRL"
"""
HEADS, FIRST, SECOND = "date,item,price,qty", "2026-09-01,Paper,10.5,1", "2026-09-02,Pen,2.5,4"


def read(publish: Callable[..., Path], content: str | bytes) -> list[tuple[int, str]]:
    """(line, title or reason) of all rows, with a mapping chosen as by the command."""
    path, small = publish(content, "f.csv"), load_mapping(publish(SMALL, "small.toml"))
    rows = read_rows(path, choose_mapping(path, [small]))
    return [(row.number, row.reason if isinstance(row, RowRefused) else row.fields["item"]) for row in rows]


BOTH = [(2, "Paper"), (3, "Pen")]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (f"sep=;\n{HEADS}\n{FIRST}\n{SECOND}".replace(",", ";"), [(3, "Paper"), (4, "Pen")]),
        (f'\ufeff"sep=\t"\r\n{HEADS}\r\n{FIRST}'.replace(",", "\t"), [(3, "Paper")]),
        (f"SEP=,\n{HEADS}\n{FIRST}", [(3, "Paper")]),
        (f"\ufeff{HEADS}\n{FIRST}\n{SECOND}", BOTH),
        ('\ufeff"date",item,price,qty\n' + FIRST, [(2, "Paper")]),
        (f"\n \n{HEADS}\n{FIRST}", [(4, "Paper")]),
        (f'date,item,"price\n(BRL)",qty\n{FIRST}\n{SECOND}', [(3, "Paper"), (4, "Pen")]),
        (f'"date\r\n(day; month; year)",item,price,qty\r\n{FIRST}', [(3, "Paper")]),
        (f'date,"name; brand; model; colour; size",item,price,qty\n{FIRST.replace(",", ",x,", 1)}', [(2, "Paper")]),
        (f"date,item,,price,qty\n{FIRST.replace('Paper', 'Paper,x')}", [(2, "Paper")]),
        (f"{HEADS},,\n{FIRST},,\n{SECOND}\nTotal,,13,,,\n", [*BOTH, (4, "a total, and no row")]),
        (f"{HEADS}\n{FIRST},,,\n{SECOND},", BOTH),
        (f"{HEADS},,\n{FIRST},a note,\n{SECOND}", BOTH),
        (f"{HEADS},note,note\n{FIRST},a,b", [(2, "Paper")]),
    ],
)  # fmt: skip
def test_a_table_is_read_however_its_heads_are_written(
    content: str, found: list[tuple[int, str]], publish: Callable[..., Path]
) -> None:
    assert read(publish, content.encode()) == found


def test_cells_without_a_head_do_not_make_another_row_of_what_was_imported(publish: Callable[..., Path]) -> None:
    """The digest by which a row is recognised covers all cells."""
    small = load_mapping(publish(SMALL, "small.toml"))
    rows = [
        next(read_rows(publish(f"{HEADS},,\n{row}\n", "f.csv"), small)) for row in (f"{FIRST},,", FIRST, f"{FIRST},,,")
    ]
    digests = {row.digest for row in rows if isinstance(row, Row)}
    assert digests == {hashlib.sha256("\x1f".join([*FIRST.split(","), "", ""]).encode()).hexdigest()}


UNCLOSED = "a quote is not closed; close it, or write it twice"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        (['2026-09-01,"Paper 21"" A,10.5,1', SECOND, FIRST], [(2, UNCLOSED), (3, "Pen"), (4, "Paper")]),
        ([FIRST, '2026-09-01,"Paper,10.5,1'], [(2, "Paper"), (3, UNCLOSED)]),
        (['2026-09-01,Paper,10.5,"1', SECOND, FIRST], [(2, UNCLOSED), (3, "Pen"), (4, "Paper")]),
        (
            ['2026-09-01,"Paper,10.5,1', SECOND, '2026-09-03,"Ink",3,1', FIRST],
            [(2, UNCLOSED), (3, "Pen"), (4, "Ink"), (5, "Paper")],
        ),
        (['2026-09-01,"Paper\nof two, or three\nlines",10.5,1', SECOND], [(2, "Paper of two, or three lines"), (5, "Pen")]),
        (
            ['2026-09-01,"Paper,10.5,1', *[SECOND] * 250, FIRST],
            [(2, UNCLOSED), *((3 + number, "Pen") for number in range(250)), (253, "Paper")],
        ),
        ([f'2026-09-01,"{"x" * 140_000},10.5,1', SECOND], [(2, "field larger than field limit (131072)"), (3, "Pen")]),
    ],
)  # fmt: skip
def test_a_quotation_mark_that_is_not_closed_affects_only_its_own_line(
    rows: list[str], found: list[tuple[int, str]], publish: Callable[..., Path]
) -> None:
    assert read(publish, "\n".join([HEADS, *rows])) == found


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2026-09-01,Paper", "2 cells under 4 columns; give each head a cell, empty where there is nothing to say"),
        ("2026-09-01,Paper,10,50,1", "5 cells under 4 columns; put quotes around a cell that has “,” in it"),
        (
            "2026-09-01;Paper;10;1",
            "1 cells under 4 columns; the sign between cells is “,” in the heads and “;” here, use one",
        ),
    ],
)
def test_a_ragged_row_is_refused_with_what_to_do(row: str, why: str, publish: Callable[..., Path]) -> None:
    assert read(publish, f"{HEADS}\n{row}\n{SECOND}\n") == [(2, why), (3, "Pen")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("date,item,price,price,qty\n2026-09-01,Paper,1,2,1", r"line 1: columns 3 and 4 are both called price; rename"),
        ('date,item,"price\n(BRL)","price\n(USD)",qty\n2026-09-01,Paper,1,2,1', "columns 3 and 4 are both called price"),
        (f'date,"item,price,qty\n{FIRST}\n{SECOND}', "a quote that opens in the heads, line 1, is never closed"),
        (f'date,"item 6" or",price,qty\n{FIRST}', "the heads, line 1, column 2: one quote within quotes is not valid; write"),
        (f"\n{FIRST}", "lacks date, item, price, qty. Its heads are “2026-09-01”, “Paper”"),
        ("x" * 70_000, "line 1 has more than 65,536 characters"),
        ("\n\n", "Its heads are none"),
    ],
)  # fmt: skip
def test_heads_that_cannot_be_read_are_named(content: str, said: str, publish: Callable[..., Path]) -> None:
    with pytest.raises((MappingError, NoTable), match=said):
        read(publish, content)


def test_one_damaged_letter_makes_no_other_encoding_of_the_rest(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    content = f"{HEADS}\n{FIRST.replace('Paper', 'Papel Ação')}\n".encode() + b"2026-09-02,Caf\xe9,1,1\n"
    assert read(publish, content) == [(2, "Papel Ação"), (3, "Caf\ufffd")]
    small = load_mapping(publish(SMALL, "small.toml"))
    found = results(publish(content, "f.csv"), small, ledger)
    assert [one.title for one in found if isinstance(one, OcdsProcess)] == ["Papel Ação", "Caf\ufffd"]
    assert dict(ledger.kinds) == {"item: characters lost by the publisher (U+FFFD)": 1}
    assert ledger.places == {"item: characters lost by the publisher (U+FFFD)": ["f.csv:3"]}
    assert read(publish, f"{HEADS}\n{FIRST.replace('Paper', 'Papel Ação')}\n".encode("cp1252")) == [(2, "Papel Ação")]


GOOD = {"date": "2026-09-01", "unit_price": "10.5", "quantity": "2", "amount": "21", "currency": "BRL", "country": "BR"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_a_damaged_letter_is_counted_once_in_whatever_column_it_is(
    field: str, publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    cells = GOOD | ({"latitude": "1", "longitude": "1"} if field in ("latitude", "longitude") else {})
    cells |= {field: {"coordinates": "1,1\ufffd"}.get(field, "1\ufffd")}
    columns = "".join(f'{name} = "col {name}"\n' for name in cells)
    head = 'kind = "prices"\npublisher = "P"\nnamespace = "every"\nrequired = []\n[columns]\n'
    every = load_mapping(publish(head + columns, "every.toml"))
    head, row = (";".join(each) for each in (map("col {}".format, cells), cells.values()))
    for number in (1, 2):  # organisations and words are interpreted once, and counted in each row
        (found,) = results(publish(f"{head}\n{row}\n", "f.csv"), every, ledger)
        assert isinstance(found, OcdsProcess)
        counted = [count for kind, count in ledger.kinds.items() if kind.partition(": ")[0] == f"col {field}"]
        assert counted and set(counted) == {number}, dict(ledger.kinds)


@pytest.mark.parametrize("hidden", ["\x00", "\x01", "\u202e", "\u2066"])
def test_what_is_no_letter_is_taken_out_of_a_cell_and_counted(
    publish: Callable[..., Path], ledger: NotUnderstood, hidden: str
) -> None:
    small = load_mapping(publish(SMALL, "small.toml"))
    (found,) = results(publish(f"{HEADS}\n{FIRST}\n".replace("Paper", f"Pa{hidden}per"), "f.csv"), small, ledger)
    assert isinstance(found, OcdsProcess) and found.title == "Paper"
    assert ledger.kinds == {"item: characters that cannot be shown": 1}


@pytest.mark.parametrize("unseen", ["\ufe0f", "\u3164", "\U000e0100\u034f"])
def test_a_cell_that_shows_nothing_is_empty_and_counted(
    publish: Callable[..., Path], ledger: NotUnderstood, unseen: str
) -> None:
    small = load_mapping(publish(SMALL, "small.toml"))
    (found,) = results(publish(f"{HEADS}\n{FIRST}\n".replace("Paper", unseen), "f.csv"), small, ledger)
    assert not isinstance(found, OcdsProcess) or found.title != unseen
    assert ledger.kinds["item: no letter that can be seen"] == 1


ALONE = "one quote within quotes is not valid; write it twice"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ('2026-09-05,"6" pipe",10.5,1', (2, "item", ALONE)),
        ('2026-09-05,"pipe 6"x,10.5,1', (2, "item", ALONE)),
        ('"2026"-09-05,pipe,10.5,1', (2, "date", ALONE)),
        ('2026-09-05,"6"",10.5,1', (2, "", UNCLOSED)),
        ('2026-09-05,6" pipe,10.5,1', '6" pipe'),
        ('2026-09-05,"6"" pipe",10.5,1', '6" pipe'),
        ('2026-09-05,"6"" pipe"  ,10.5,"1" ', '6" pipe'),
    ],
)
def test_a_quote_within_a_cell_is_read_surely_or_refused_by_its_column(
    row: str, found: str | tuple[int, str, str], publish: Callable[..., Path]
) -> None:
    small = load_mapping(publish(SMALL, "small.toml"))
    first, second = read_rows(publish(f"{HEADS}\n{row}\n{SECOND}\n", "f.csv"), small)
    assert isinstance(second, Row) and second.number == 3
    said = (first.number, first.column, first.reason) if isinstance(first, RowRefused) else first.fields["item"]
    assert said == found


@pytest.mark.parametrize(
    ("price", "found"),
    [
        ("R$ 100,50", "100.50"),
        ("100.50 BRL", "100.50"),
        ("$ 100.50", "100.50"),
        ("US$ 100.50", "in another currency than the row"),
        ("€ 10", "in another currency than the row"),
        ("10 €", "in another currency than the row"),
        ("USD 5", "in another currency than the row"),
        ("100.50-", "negative"),
        ("1.234,50-", "negative"),
        ("(5)", "negative"),
        ("5)", "not a number"),
        ("(5", "not a number"),
        ("--5", "not a number"),
        ("+5", "5"),
    ],
)
def test_sign_and_currency_of_a_price_are_read_or_the_row_is_refused(
    price: str, found: str, publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    small = load_mapping(publish(SMALL, "small.toml"))
    (one,) = results(publish(f'{HEADS}\n2026-09-01,Paper,"{price}",1\n', "f.csv"), small, ledger)
    if isinstance(one, RowRefused):
        assert (one.column, one.reason.partition(": ")[0]) == ("price", found)
    else:
        assert one.contracts[0].lines[0].unit_price == Decimal(found)


def test_a_region_that_does_not_exist_counts_once_for_each_party(
    publish: Callable[..., Path], ledger: NotUnderstood
) -> None:
    columns = 'buyer = "Comprador"\nbuyer_region = "Region"\nsupplier_region = "Region"\n[constants]'
    mapping = load_mapping(publish(MAPPING.replace("[constants]", columns), "m.toml"))
    content = f"{HEADER};Comprador;Region\n{ROW};Escuela;Nowhere\n"
    assert not isinstance(results(publish(content, "f.csv"), mapping, ledger)[0], RowRefused)
    assert dict(ledger.kinds) == {"Region: no ISO 3166-2 code found": 2}
