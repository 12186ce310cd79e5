"""What led to what: the correlation of a request, carried through tasks, written into every event it causes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from infra.ids import new_id


class Cause(msgspec.Struct, frozen=True):
    """``correlationid`` names the whole chain, ``causationid`` the request or event that led straight to the next event,
    ``traceparent`` the span in which that happens, where traces are recorded."""

    correlationid: str
    causationid: str
    traceparent: str = ""


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current_cause() -> Cause:
    """The cause in force here; a new chain where there is none (a timer)."""
    return _current.get() or Cause(fresh := new_id(), fresh)


def cause_in_force() -> Cause | None:
    """None where no request or event led here."""
    return _current.get()


@contextmanager
def caused_by(correlationid: str, causationid: str, traceparent: str = "") -> Iterator[None]:
    token = _current.set(Cause(correlationid, causationid, traceparent))
    try:
        yield
    finally:
        _current.reset(token)
