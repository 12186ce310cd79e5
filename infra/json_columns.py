"""What SQL reads of a JSON column, where a newer release may have written what this one does not expect: that is null, and no error."""

_NUMBER = r"^\d+(\.\d+)?(E[+-]?\d+)?$"


def as_number(text: str) -> str:
    """This text as a number that is not negative, or null."""
    return f"case when {text} ~ '{_NUMBER}' then ({text})::numeric end"


def number_in(column: str, *path: str) -> str:
    """The number at the path, "-1" being the last of a list, or null."""
    return as_number(f"({column} #>> '{{{','.join(path)}}}')")


def list_in(part: str) -> str:
    """This JSON where it is a list, or an empty one."""
    return f"case jsonb_typeof({part}) when 'array' then {part} else '[]' end"
