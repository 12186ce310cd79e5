"""What somebody asks for and does not get: it is not there, or it is not theirs. On the web these are answers (:mod:`infra.web.errors`);
who raises them knows of no web."""


class Missing(Exception):
    """``Missing("auction", id)``: the market does not have it, or has it for other eyes."""

    def __init__(self, what: str, which: str) -> None:
        super().__init__(f"no {what} {which!r}")


class NotAllowed(Exception):
    """It is there, and whoever asks for it may know that; the message says who may have it."""
