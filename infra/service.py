"""The form of every service, and the resources that each service gets."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import MetaData

from infra.clock import Clock
from infra.config import Config, Keep
from infra.database import Database, Transaction
from infra.live import Live
from infra.reactions import Reactions
from infra.signing import Signer
from infra.tokens import Tokens


@dataclass(frozen=True)
class Resources:
    """What every service is given: settings, database, clock, live channel, the keys that check tokens, and the
    market's signer."""

    config: Config
    database: Database
    clock: Clock
    live: Live
    tokens: Tokens
    signer: Signer


@dataclass(frozen=True)
class Timer:
    """Work that becomes due. ``action`` claims due items in its transaction (``for update skip locked``) and returns
    how many it handled; it is called again after ``rest`` seconds if that was more than 0, else after ``every``
    seconds. A run of more than ``longest`` seconds is reported in the process's health."""

    name: str
    every: float
    action: Callable[[Transaction], Awaitable[int]]
    rest: float = 0.0
    longest: float = 60.0


@dataclass(frozen=True)
class Prune:
    """A table of a service whose old rows are deleted regularly: those for which ``over`` is true, an SQL condition on
    one row, in which $3 is the ``age`` if it needs one."""

    table: str
    over: str
    age: Callable[[Keep], timedelta] | None = None


@dataclass(frozen=True)
class View:
    """Rolling figures that Faust keeps in rows and that can be rebuilt by replay: they are never the only copy of a
    fact.

    ``forget`` deletes the view's rows, for a rebuild. Repeats are harmless: claims are stored under the view's name.
    """

    name: str
    reactions: Reactions
    forget: Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True)
class Service:
    """One service. ``routes`` are Litestar controllers; ``lifespans`` run in the web process (a bidding lane, an
    index)."""

    name: str
    metadata: MetaData | None = None
    routes: Sequence[Any] = ()
    reactions: Reactions = field(default_factory=Reactions)
    timers: Sequence[Timer] = ()
    prunes: Sequence[Prune] = ()
    views: Sequence[View] = ()
    lifespans: Sequence[Callable[[], AbstractAsyncContextManager[None]]] = ()
