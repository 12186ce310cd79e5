"""Cells of a CSV file that somebody opens in a spreadsheet, where a text that begins as a formula does would be run as one."""

import re

FORMULA = tuple("=+-@＝＋－＠\t\r\n")
"""What a formula begins with, in the letters of East Asia too; spreadsheets pass over the white space before it."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*")


def cell(value: object) -> object:
    """A text that a spreadsheet would take for a formula is quoted, for texts come from strangers. A number is data, below zero
    too, also where it is written as text."""
    if isinstance(value, str) and value.startswith(FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
