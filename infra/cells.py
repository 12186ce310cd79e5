"""Cells of a CSV file. A spreadsheet that opens the file would execute a text that begins like a formula."""

import re

FORMULA = tuple("=+-@＝＋－＠\t\r\n")
"""Characters that begin a formula, full-width forms too, and white space, because spreadsheets skip it before a formula."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*")


def cell(value: object) -> object:
    """The value, quoted if a spreadsheet would take it for a formula, because anybody may have written it. A number is not quoted, even if
    it is negative or a text."""
    if isinstance(value, str) and value.startswith(FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
