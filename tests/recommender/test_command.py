import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from recommender.__main__ import main
from recommender.tables import UnreadableTable, read_awards
from tests.recommender.builders import a_market

HEADER = "ocid,award_date,amount,buyer,buyer_region,supplier,supplier_city,category,category_title,method"
ROW = "t1,2025-01-02,10.0,Town,North,Alpha Inc.,York,N7030,Software,Open"


def a_file(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def the_market(path: Path, start: int, end: int) -> Path:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ocid", "award_date", "buyer", "buyer_region", "supplier", "category"])
        for award in a_market()[start:end]:
            one = award.opportunity
            writer.writerow([award.tender, award.date, one.buyer, one.region, award.supplier, one.category])
    return path


def test_figures_are_printed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history, awards = the_market(tmp_path / "a.csv.gz", 0, 192), the_market(tmp_path / "b.csv.gz", 192, 240)
    assert main(["evaluate", "--history", str(history), "--awards", str(awards), "--k", "3"]) == 0
    printed = json.loads(capsys.readouterr().out)
    keys = ["k", "awards", "all", "known", "per_tender", "coverage", "seconds", "baselines"]
    assert list(printed) == keys
    assert (printed["k"], printed["awards"]) == (3, 48)
    for part in ("all", "known", "per_tender"):
        assert printed[part]["n"] == 48 and printed[part]["hr"] == 1.0 and 0 < printed[part]["mrr"] <= 1
    assert set(printed["baselines"]) == {"popularity", "category", "category_in_region"}
    assert all(set(figures) == {"hr", "mrr"} for figures in printed["baselines"].values())


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([HEADER, ROW, ROW.replace("2025-01-02", "02/01/2025")], "row 3, column award_date"),
        ([HEADER, ROW.replace("Alpha Inc.", "")], "row 2, column supplier"),
        ([HEADER, ROW, ROW + ",more"], "row 3, column 11"),
        ([HEADER, "t1,2025-01-02"], "row 2, column amount"),
        ([HEADER.replace("category,", "kind,"), ROW], "row 1, column category"),
        ([HEADER, ROW + '"'], None),
        ([HEADER], "row 2"),
        ([""], "row 1, column supplier"),
    ],
)
def test_a_bad_file_is_named_with_row_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: list[str], says: str | None
) -> None:
    bad = a_file(tmp_path / "bad.csv", *lines)
    good = a_file(tmp_path / "good.csv", HEADER, ROW)
    status = main(["evaluate", "--history", str(bad), "--awards", str(good)])
    if says is None:
        assert status == 0
    else:
        assert status == 2
        assert says in capsys.readouterr().err


def test_unreadable_bytes_are_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes(f"{HEADER}\n{ROW}\n".encode() + b"t2,2025-01-02,1,Qu\xe9bec,,B,,N1,,\n")
    with pytest.raises(UnreadableTable, match="row 3: not UTF-8"):
        read_awards(latin)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress(HEADER.encode() * 50)[:-12])
    with pytest.raises(UnreadableTable):
        read_awards(cut)
    with pytest.raises(UnreadableTable):
        read_awards(tmp_path / "absent.csv")


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    (award,) = read_awards(a_file(tmp_path / "a.csv", "supplier,category,buyer", "Alpha Ltd,N1,Town", ""))
    assert (award.supplier, award.date, award.tender) == ("alpha", None, "")


@pytest.mark.data
def test_real_awards_are_read(tmp_path: Path) -> None:
    file = Path(os.environ.get("LONJA_DATA", "../shared/data")) / "canada_awards_2009_2013.csv.gz"
    assert file.exists(), f"{file} is absent: set LONJA_DATA to the folder of the real data"
    awards = read_awards(file)
    assert len(awards) == 20_856
    assert len({award.supplier for award in awards}) < 8_500  # 8,703 spellings
