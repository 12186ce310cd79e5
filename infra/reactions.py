"""Registers how a service reacts to events, one at a time or many at once.

A service's ``handlers.py`` makes one :class:`Reactions`, with which its functions are registered::

    reactions = Reactions(store.skus.reactions)  # those of its replicas first

    @reactions.on(AuctionClosed)
    async def close_pool(tx: Transaction, event: AuctionClosed) -> None: ...

    reactions.many(SkuPublished, skus.put_all)  # one array statement for all that arrived together

    reactions.together(publish_all, AwardMade, ContractDrafted)  # the same for several types, in the order of their keys

The inbox keeps the order of one Kafka key; events of different keys may be grouped by reaction. An event that a
reaction emits names the handled event as its cause; a reaction to many events names the first, unless it states another
(:func:`cause_of`).
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from events.codec import Event, Message
from events.envelope import Envelope
from infra import telemetry
from infra.causality import Cause, caused_by, current_cause
from infra.database import Transaction

A = TypeVar("A", bound=Event)
B = TypeVar("B", bound=Event)
C = TypeVar("C", bound=Event)
D = TypeVar("D", bound=Event)
R = TypeVar("R")
React = Callable[[Transaction, R], Awaitable[None]]
Register = Callable[[React[R]], React[R]]
ReactWithEnvelope = Callable[[Transaction, R, Envelope], Awaitable[None]]
RegisterWithEnvelope = Callable[[ReactWithEnvelope[R]], ReactWithEnvelope[R]]


class TwoReactions(TypeError):
    """A service registered a second reaction to the same event type."""


@dataclass(frozen=True)
class Reaction:
    """``run`` takes messages of the types that it was registered for, in their order; at most ``most`` in one call."""

    run: Callable[[Transaction, Sequence[Message]], Awaitable[None]]
    most: int


class Reactions:
    """The reactions of one service or view, by event class. Each class has one reaction."""

    MANY = 1000

    def __init__(self, *others: "Reactions") -> None:
        self._by_kind: dict[type[Event], Reaction] = {}
        for other in others:
            for kind in other:
                self._add(kind, other[kind])

    @overload
    def on(self, kind: type[A], /) -> Register[A]: ...
    @overload
    def on(self, kind: type[A], other: type[B], /) -> Register[A | B]: ...
    @overload
    def on(self, kind: type[A], other: type[B], third: type[C], /) -> Register[A | B | C]: ...
    @overload
    def on(self, kind: type[A], other: type[B], third: type[C], fourth: type[D], /) -> Register[A | B | C | D]: ...
    @overload
    def on(self, *kinds: type[Event]) -> Register[Any]: ...
    def on(self, *kinds: type[Event]) -> Register[Any]:
        """The decorated function handles each event of these classes separately."""

        def register(react: React[Any]) -> React[Any]:
            async def run(tx: Transaction, messages: Sequence[Message]) -> None:
                await react(tx, messages[0].event)

            for kind in kinds:
                self._add(kind, Reaction(run, 1))
            return react

        return register

    @overload
    def with_envelope(self, kind: type[A], /) -> RegisterWithEnvelope[A]: ...
    @overload
    def with_envelope(self, kind: type[A], other: type[B], /) -> RegisterWithEnvelope[A | B]: ...
    @overload
    def with_envelope(self, kind: type[A], other: type[B], third: type[C], /) -> RegisterWithEnvelope[A | B | C]: ...
    @overload
    def with_envelope(self, *kinds: type[Event]) -> RegisterWithEnvelope[Any]: ...
    def with_envelope(self, *kinds: type[Event]) -> RegisterWithEnvelope[Any]:
        """As :meth:`on`, for a function that takes the envelope too (when the event happened, what caused it)."""

        def register(react: ReactWithEnvelope[Any]) -> ReactWithEnvelope[Any]:
            async def run(tx: Transaction, messages: Sequence[Message]) -> None:
                await react(tx, messages[0].event, messages[0].envelope)

            for kind in kinds:
                self._add(kind, Reaction(run, 1))
            return react

        return register

    def many(self, kind: type[A], react: React[Sequence[A]]) -> None:
        """``react`` takes all events of this class that arrived together, in their order, in one call."""

        async def run(tx: Transaction, messages: Sequence[Message]) -> None:
            await react(tx, [message.event for message in messages])  # type: ignore[misc]

        self._add(kind, Reaction(run, self.MANY))

    def together(self, react: React[Sequence[Message]], *kinds: type[Event]) -> None:
        """``react`` takes all events of all these classes that arrived together, in their order, with their envelopes,
        in one call: for events of different classes that alternate within one key; otherwise each change of class would
        begin another call."""
        reaction = Reaction(react, self.MANY)
        for kind in kinds:
            self._add(kind, reaction)

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._by_kind)

    def __contains__(self, kind: object) -> bool:
        return kind in self._by_kind

    def __len__(self) -> int:
        return len(self._by_kind)

    def __getitem__(self, kind: type[Event]) -> Reaction:
        return self._by_kind[kind]

    @property
    def topics(self) -> list[str]:
        return sorted({kind.TOPIC for kind in self._by_kind})

    def _add(self, kind: type[Event], reaction: Reaction) -> None:
        if kind in self._by_kind:
            raise TwoReactions(f"{kind.__name__} has a reaction already")
        self._by_kind[kind] = reaction


def calls(reactions: Reactions, messages: Iterable[Message]) -> list[list[Message]]:
    """The messages grouped into calls: each list is one call of one reaction.

    Messages with the same topic and subject (the same Kafka key) stay in their order, also across types.
    """
    made: list[list[Message]] = []
    newest: dict[Reaction, int] = {}
    """The last call of each reaction."""
    last: dict[tuple[str, str], int] = {}
    """The last call with a message of each key."""
    for message in messages:
        reaction, key = reactions[type(message.event)], (message.event.TOPIC, message.envelope.subject)
        place = newest.get(reaction, -1)
        if place < last.get(key, 0) or len(made[place]) >= reaction.most:
            place = newest[reaction] = len(made)
            made.append([])
        made[place].append(message)
        last[key] = place
    return made


def cause_of(message: Message) -> Cause:
    """The cause to pass to :meth:`infra.database.Transaction.emit` in a reaction that takes many events."""
    envelope = message.envelope
    return Cause(envelope.correlationid, envelope.id, envelope.traceparent)


async def react(reaction: Reaction, tx: Transaction, messages: Sequence[Message]) -> None:
    """Make one call. Events that it emits name the (first) message as their cause."""
    envelope = messages[0].envelope
    with (
        telemetry.span("consumer", f"{tx.service} reacts to {envelope.type}", envelope.traceparent) as span,
        caused_by(envelope.correlationid, envelope.id, span.traceparent or envelope.traceparent),
    ):
        previous, tx.cause = tx.cause, current_cause()
        try:
            await reaction.run(tx, messages)
        finally:
            tx.cause = previous
