"""Errors for a caller that may not have what it asks for, or for which it does not exist. :mod:`infra.web.errors` turns
them into answers; code that raises them does not depend on the web."""


class Missing(Exception):
    """``Missing("auction", id)``: the market does not have it, or the caller may not see it."""

    def __init__(self, what: str, which: str) -> None:
        super().__init__(f"no {what} {which!r}")


class NotAllowed(Exception):
    """It exists, and the caller may know that, but may not have it; the message says who may."""
