"""No cell of a CSV file becomes a formula in a spreadsheet, and numbers stay numbers."""

from decimal import Decimal

import pytest

from infra.cells import cell


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x","y")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "-",
        "--1",
        "@SUM(1;2)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "－1",
        "-1\n",
        "-1 ",
    ],
)
def test_a_text_that_begins_as_a_formula_is_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["", "Sugar", "a=b", "-3", "+3", "-1.234,50", Decimal("-3"), -3, None])
def test_all_else_stays_as_it_is(value: object) -> None:
    assert cell(value) == value
