"""SQL expressions that read a JSON column. A newer release may have written something that this one does not expect:
the result is then null, not an error."""

_NUMBER = r"^\d+(\.\d+)?(E[+-]?\d+)?$"


def as_number(text: str) -> str:
    """The text as a number of at least 0, or null."""
    return f"case when {text} ~ '{_NUMBER}' then ({text})::numeric end"


def number_in(column: str, *path: str) -> str:
    """The number at the path, or null; "-1" in the path is the last element of a list."""
    return as_number(f"({column} #>> '{{{','.join(path)}}}')")


def list_in(part: str) -> str:
    """The JSON value if it is a list, else an empty list."""
    return f"case jsonb_typeof({part}) when 'array' then {part} else '[]' end"
