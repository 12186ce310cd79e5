"""Everything that an import refuses or leaves out is reported with file, line, column and rule, in bounded memory."""

import asyncio
import csv
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.cli.output import Unwritable
from infra.ids import new_id
from services.transparency.cli import import_app
from services.transparency.intake import FileUnusable, read_table
from services.transparency.ocds import tables
from services.transparency.ocds.tables import ColumnMapping, load_mapping
from services.transparency.ocds.tolerance import LONGEST_VALUE, Fault, NotUnderstood
from services.transparency.reading import Readers, read_ocds
from services.transparency.refusals import COLUMNS, refusals_in
from tests.market import Market
from tests.services.transparency.publication_builders import a_release

Run = Callable[..., Any]
HEADER = "day;what;price;how many"
ROWS = [
    "2024-01-02;Sugar;5000;3",
    "31.31.2024;Salt;10;1",
    "2024-01-03;Rice;0;2",
    "2024-01-04;Oil;12;-3",
    "2024-01-05;Tea",
    f"2024-01-06;Milk;{'9x' * 400};many",
    "soon;Salt;10;1",
    ";Salt;10;1",
]
REFUSED = [
    ("3", "row", "day", "no such date", "31.31.2024"),
    ("4", "row", "price", "zero is no price", "0"),
    ("5", "value", "how many", "negative", "-3"),
    ("6", "row", "", "2 cells under 4 columns; give each head a cell, empty where there is nothing to say", ""),
    ("7", "value", "how many", "not a number", "many"),
    ("7", "row", "price", "not a number", ("9x" * 400)[:LONGEST_VALUE]),
    ("8", "row", "day", "not a date", "soon"),
    ("9", "row", "day", "empty", ""),
]


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    return a_mapping(tmp_path, "prices")


def a_mapping(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.toml"
    number = new_id()[-12:]
    path.write_text(
        f'kind = "{kind}"\npublisher = "Test {number}"\nnamespace = "zz-{number}"\nrequired = ["date", "unit_price"]\n'
        '[columns]\ndate = "day"\nitem = "what"\nunit_price = "price"\nquantity = "how many"\n'
        '[constants]\ncountry = "PY"\ncurrency = "PYG"\n'
    )
    return path


@pytest.fixture
def lonja(market: Market, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LONJA_DATABASE_URL", market.resources.config.database_url or "")

    async def run(*arguments: object) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, import_app, [str(word) for word in arguments])

    return run


def lines(path: Path) -> list[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as stream:
        header, *found = csv.reader(stream)
    assert tuple(header) == COLUMNS
    return [tuple(line) for line in found]


@pytest.mark.parametrize("kind", ["prices", "awards"])
async def test_every_refused_row_and_every_value_left_out_is_written(
    kind: str, lonja: Run, publish: Callable[..., Path], tmp_path: Path
) -> None:
    mapping = a_mapping(tmp_path, kind)
    table, refused = publish("\n".join([HEADER, *ROWS]), f"{kind}.csv"), tmp_path / "refused.csv"
    result = await lonja(kind, table, "--mapping", mapping, "--refused", refused)
    assert result.exit_code == 0, result.output
    assert lines(refused) == [(str(table), *line) for line in REFUSED]
    assert "records 8, imported 2, unchanged 0, refused 6" in result.stdout
    assert f"{refused}: rows 6, values 2, files 0" in result.stdout
    again = json.loads((await lonja(kind, table, "--mapping", mapping, "--refused", refused, "--json")).stdout)
    assert (again["unchanged"], again["refused_file"]) == (
        2,
        {"file": str(refused), "rows": 6, "values": 2, "files": 0},
    )
    assert lines(refused) == [(str(table), *line) for line in REFUSED]


async def test_without_the_file_the_first_three_places_of_each_kind_and_the_option_are_named(
    lonja: Run, publish: Callable[..., Path], mapping: Path
) -> None:
    table = publish("\n".join([HEADER, ROWS[0], *["2024-01-02;Salt;dear;1"] * 5]), "prices.csv")
    result = await lonja("prices", table, "--mapping", mapping)
    assert "prices.csv:3, prices.csv:4, prices.csv:5" in result.stdout
    assert "--refused FILE" in result.stdout
    told = json.loads((await lonja("prices", table, "--mapping", mapping, "--json")).stdout)
    assert told["not_understood"]["refused: price: not a number"] == 5
    assert told["places"]["refused: price: not a number"] == ["prices.csv:3", "prices.csv:4", "prices.csv:5"]


async def test_both_formats_report_the_same_refusals(lonja: Run, publish: Callable[..., Path], tmp_path: Path) -> None:
    wrong, free = a_release(f"ocds-abc123-{new_id()}"), a_release(f"ocds-abc123-{new_id()}")
    wrong["awards"][0]["date"] = "one day"
    for item in free["awards"][0]["items"]:
        item["unit"] = {"value": {"amount": 0, "currency": "EUR"}}
    free["awards"][0]["value"] = {"amount": 0, "currency": "EUR"}
    path, refused = publish([a_release(f"ocds-abc123-{new_id()}"), 42, wrong, free]), tmp_path / "refused.csv"
    result = await lonja("ocds", path, "--refused", refused)
    assert result.exit_code == 0, result.output
    found = lines(refused)
    assert {one[0] for one in found} == {str(path)}
    assert [one[1:3] for one in found] == [("2", "row"), ("3", "value"), ("4", "value")]
    assert [one[3:5] for one in found[1:]] == [
        ("awards.date", "not a date"),
        ("awards.items.unit.value.amount", "zero is no price"),
    ]


async def test_only_a_file_that_is_refused_whole_makes_the_command_fail(
    lonja: Run, publish: Callable[..., Path], mapping: Path, tmp_path: Path
) -> None:
    refused = tmp_path / "refused.csv"
    bad, missing = publish("\n".join([HEADER, *ROWS[1:3]]), "bad.csv"), tmp_path / "missing.csv"
    result = await lonja("prices", bad, "--mapping", mapping, "--refused", refused)
    assert result.exit_code == 1
    assert [line[1] for line in lines(refused)] == ["2", "3"]
    assert "Exit code 0" in (await lonja("prices", "--help")).stdout
    result = await lonja("ocds", missing, "--refused", refused)
    assert result.exit_code == 1
    assert [line[1:5] for line in lines(refused)] == [("", "file", "", "not readable")]


@pytest.mark.parametrize("kind", ["prices", "ocds"])
async def test_a_file_that_cannot_be_used_is_counted_as_a_file_and_not_as_a_record(
    kind: str, lonja: Run, publish: Callable[..., Path], tmp_path: Path
) -> None:
    refused = tmp_path / "refused.csv"
    files = [publish(b"\xef\xbb\xbf \n", "empty.csv"), tmp_path / "missing.csv"]
    told = await lonja(kind, *files, "--refused", refused)
    assert told.exit_code == 1
    assert "files 2, unusable 2, records 0, imported 0, unchanged 0, refused 0" in told.stdout
    assert "records/s" not in told.stdout
    assert "the file is empty" in told.output
    assert [line[1:5] for line in lines(refused)] == [("", "file", "", "empty"), ("", "file", "", "not readable")]


async def test_a_text_that_is_too_long_is_one_value_of_its_column(
    lonja: Run, publish: Callable[..., Path], mapping: Path, tmp_path: Path
) -> None:
    table, refused = publish(f"{HEADER}\n2024-01-02;{'S' * 30_000};5000;3", "long.csv"), tmp_path / "refused.csv"
    told = await lonja("prices", table, "--mapping", mapping, "--refused", refused)
    assert lines(refused) == [
        (str(table), "2", "value", "what", "longer than 20000 characters, cut off", "S" * LONGEST_VALUE)
    ]
    assert "values 1" in told.stdout


def test_a_text_of_a_release_is_reported_once_with_its_path(publish: Callable[..., Path], tmp_path: Path) -> None:
    release = a_release(f"ocds-abc123-{new_id()}")
    release["tender"]["title"] = release["tender"]["description"] = "T" * 30_000
    release["awards"][0]["title"] = "A" * 3_000
    release["parties"][0]["name"] = "P" * 3_000
    release["parties"][0]["address"] = {"locality": "L" * 3_000}
    for item in release["awards"][0]["items"][:1]:
        item["description"] = "I" * 3_000
    ledger = NotUnderstood(keeps=True)
    assert len(list(read_ocds(publish([release]), ledger))) == 1
    assert sorted(fault.kind for fault in ledger.taken() if "longer than" in fault.kind) == [
        "awards.items.description: longer than 2000 characters, cut off",
        "awards.title: longer than 2000 characters, cut off",
        "parties.address.locality: longer than 2000 characters, cut off",
        "parties.name: longer than 2000 characters, cut off",
        "tender.description: longer than 10000 characters, cut off",
        "tender.title: longer than 2000 characters, cut off",
    ]


def test_a_file_that_is_to_be_read_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(HEADER)
    with pytest.raises(FileUnusable, match="name another file"), refusals_in(tmp_path / "." / "prices.csv", [path]):
        pass
    assert path.read_text() == HEADER
    with pytest.raises(Unwritable, match="Is a directory"), refusals_in(tmp_path, [path]):
        pass


def test_what_a_spreadsheet_would_run_is_quoted_and_a_number_below_zero_stays(tmp_path: Path) -> None:
    path, refused = tmp_path / "prices.csv", tmp_path / "refused.csv"
    values = ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "-3", "Sugar"]
    with refusals_in(refused, [path]) as refusals:
        refusals.write(path, [Fault("prices.csv:2", "=how many: not a number", value) for value in values])
    found = lines(refused)
    assert {line[3] for line in found} == {"'=how many"}
    assert [line[5] for line in found] == [*(f"'{value.strip()}" for value in values[:6]), "-3", "Sugar"]


async def test_the_mapping_is_not_overwritten_either(lonja: Run, publish: Callable[..., Path], mapping: Path) -> None:
    table = publish("\n".join([HEADER, *ROWS]), "prices.csv")
    result = await lonja("prices", table, "--mapping", mapping, "--refused", mapping)
    assert isinstance(result.exception, FileUnusable)
    assert "name another file" in str(result.exception)
    assert load_mapping(mapping).kind == "prices"


def test_memory_does_not_grow_with_what_is_refused(
    publish: Callable[..., Path], mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = load_mapping(mapping)

    def most_memory(rows: int) -> int:
        bad = (f"{each}. day;Salt;10;-{each}" for each in range(1, rows + 1))
        table = publish("\n".join([HEADER, *bad]), "large.csv")
        return _most_memory(table, chosen, tmp_path / "refused.csv")

    # without the cache of ``_clean``, which grows until a limit that these rows do not reach
    monkeypatch.setattr(tables, "_clean", tables._clean.__wrapped__)
    few, many = most_memory(500), most_memory(10_000)
    assert len(lines(tmp_path / "refused.csv")) == 20_000
    assert many < few + 500_000


def _most_memory(table: Path, mapping: ColumnMapping, refused: Path) -> int:
    ledger = NotUnderstood(keeps=True)
    tracemalloc.start()
    with refusals_in(refused, [table]) as refusals:
        for _ in refusals.following(table, read_table(table, mapping, ledger), ledger):
            pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.fixture
def readers() -> Iterator[Readers]:
    with Readers(2) as readers:
        yield readers


def test_several_processes_tell_the_same_as_one(readers: Readers, publish: Callable[..., Path], tmp_path: Path) -> None:
    def a_wrong_one(number: int) -> dict[str, Any]:
        release = a_release(f"ocds-abc123-{number}", description="x" * 50_000)
        release["awards"][0]["date"] = f"day {number}"
        return release

    path = publish([a_wrong_one(number) for number in range(60)], "long.jsonl")
    refused, ledger = tmp_path / "refused.csv", NotUnderstood(keeps=True)
    with refusals_in(refused, [path]) as refusals:
        assert len(list(refusals.following(path, readers.read(path, ledger), ledger))) == 60
    found = lines(refused)
    assert [(line, rule, value) for _, line, _, column, rule, value in found if column == "awards.date"] == [
        (str(number + 1), "not a date", f"day {number}") for number in range(60)
    ]
