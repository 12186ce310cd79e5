"""The one shape of a service, and the ground they all stand on."""

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
class Ground:
    """What every service is given: settings, database, clock, live channel, the keys that check tokens, the market's signature."""

    config: Config
    database: Database
    clock: Clock
    live: Live
    tokens: Tokens
    signer: Signer


@dataclass(frozen=True)
class Timer:
    """Work that falls due. ``action`` claims what is due in its transaction (``for update skip locked``) and returns how
    many it did; it is called again after ``rest`` seconds while that is more than 0, else after ``every`` seconds. A run that takes more
    than ``longest`` seconds is told of in the process's health."""

    name: str
    every: float
    action: Callable[[Transaction], Awaitable[int]]
    rest: float = 0.0
    longest: float = 60.0


@dataclass(frozen=True)
class Prune:
    """Rows of a service's own ``table`` that go by themselves: those for which ``over`` is true, an SQL condition of one row, in which
    $3 is the ``age``, where it needs one."""

    table: str
    over: str
    age: Callable[[Keep], timedelta] | None = None


@dataclass(frozen=True)
class View:
    """Rolling figures that Faust keeps in rows and that a replay makes anew: never the only copy of a fact.

    ``forget`` deletes the view's rows, for a rebuild. Repeats are harmless: claims are kept apart under the view's name.
    """

    name: str
    reactions: Reactions
    forget: Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True)
class Service:
    """One deployable. ``routes`` are Litestar controllers; ``lifespans`` run in the web process (a bidding lane, an index)."""

    name: str
    metadata: MetaData | None = None
    routes: Sequence[Any] = ()
    reactions: Reactions = field(default_factory=Reactions)
    timers: Sequence[Timer] = ()
    prunes: Sequence[Prune] = ()
    views: Sequence[View] = ()
    lifespans: Sequence[Callable[[], AbstractAsyncContextManager[None]]] = ()
