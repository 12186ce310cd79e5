"""Measures work as a number of function calls, which is the same on every machine under any load."""

import sys
from collections.abc import Callable


def calls_of(function: Callable[[], object]) -> int:
    """The number of calls that the function makes, including those of C functions."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls
