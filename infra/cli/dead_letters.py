"""`lonja dead-letters`: messages that a consumer could not handle: list, show, replay, dismiss or give up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.output import AsJson, print_facts, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    from infra.deadletters import DeadLetter

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Messages that a consumer could not handle: list, show, replay, dismiss, give-up.",
)
Position = Annotated[int, typer.Argument(help="The number that `lonja dead-letters list` shows.")]


class NoSuchDeadLetter(LookupError):
    """There is no dead letter with that number."""

    code = "no-such-dead-letter"


@app.command("list")
def list_all(
    everything: Annotated[bool, typer.Option("--all", help="Include those that were replayed or dismissed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Dead letters that nobody replayed or dismissed, oldest first."""
    letters = [letter for letter in asyncio.run(_read()) if everything or not letter.settled]
    if as_json:
        print_json([_summary(letter) for letter in letters])
    elif letters:
        print_table(
            ("number", "reader", "type", "error"),
            (
                (
                    letter.position,
                    letter.reader,
                    letter.type,
                    letter.error + (" (replayed)" if letter.replayed else " (dismissed)" if letter.dismissed else ""),
                )
                for letter in letters
            ),
        )
    else:
        say("no dead letters")


@app.command()
def show(number: Position, as_json: AsJson = False) -> None:
    """Show one dead letter: the message as it came, and the error."""
    letter = _one(number)
    facts = {
        **_summary(letter),
        "headers": {name: (value or b"").decode(errors="replace") for name, value in letter.headers},
        "value": (letter.value or b"").decode(errors="replace"),
        "traceback": letter.traceback,
    }
    print_facts(facts, as_json)


@app.command()
def replay(
    number: Annotated[int | None, typer.Argument(help="The number that `list` shows.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Replay every dead letter that was not replayed yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send a dead letter to its topic again, only for the reader that could not handle it: a service, or one view of
    it, as `list` shows.

    All other readers skip it: each handled the message, or has a dead letter of its own. A letter of a former release
    does not say which reader failed ("contracts/*"): it goes to all readers of that service, and those that handled it
    ignore the repeat.

    A letter that is too old, or that only a newer release can read, is refused; --all skips both.
    """
    from infra import deadletters
    from infra.cli.market import market_time

    letters = _chosen(number, everything)
    config = Config.running()
    # by the clock that also decides when claims are deleted
    since = asyncio.run(market_time(config)) - timedelta(days=config.keep.claims_days)
    unreadable = [each for each in letters if everything and each.waits_for_a_newer_release]
    old = [each for each in letters if everything and each not in unreadable and each.happened_before(since)]
    others = [each for each in letters if each not in unreadable and each not in old]
    asyncio.run(_with_producer(others, lambda kafka, letter: deadletters.replay(kafka, letter, since)))
    if as_json:
        told = {"replayed": others, "too_old": old, "unreadable": unreadable}
        print_json({name: [each.position for each in those] for name, those in told.items()})
    else:
        passed_over = ((old, "are too old"), (unreadable, "only a newer release can read"))
        say(", ".join([f"replayed {len(others)}", *(f"{len(those)} {why}" for those, why in passed_over if those)]))


@app.command()
def dismiss(
    number: Annotated[int | None, typer.Argument(help="The number that `list` shows.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Dismiss every dead letter that `list` shows.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that somebody looked at a dead letter and it need not be handled: `lonja doctor` does not report it any
    more."""
    from infra import deadletters

    letters = _chosen(number, everything)
    asyncio.run(_with_producer(letters, deadletters.dismiss))
    if as_json:
        print_json({"dismissed": [each.position for each in letters]})
    else:
        say(f"dismissed {len(letters)}")


class StillReadable(Exception):
    """This release reads the message, so it waits for no newer one."""

    code = "still-readable"


class NotAnEvent(Exception):
    """The message is no event, so no release waits for it."""

    code = "not-an-event"


@app.command("give-up")
@app.command("set-aside", hidden=True)  # its name in former releases
def give_up(
    topic: Annotated[str, typer.Argument(help="As `lonja doctor` names it.")],
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why no release will ever read it; kept with the dead letter.")
    ],
    as_json: AsJson = False,
) -> None:
    """Give up an event in a version that no release will ever read: the consumers that it blocks make a dead letter of
    it and continue.

    This is only for an event that this release cannot read. If a newer release can read it, run that: the partition
    then continues by itself.
    """
    if not reason.strip():
        raise typer.BadParameter("--reason is empty: say why no release will ever read the event")
    event_id = asyncio.run(_give_up(topic, partition, offset, reason.strip()))
    if as_json:
        print_json({"topic": topic, "partition": partition, "offset": offset, "event_id": event_id})
    else:
        say(
            f"gave up event {event_id}: the consumers that it blocks make a dead letter of it within seconds;"
            " see `lonja dead-letters list`"
        )


async def _give_up(topic: str, partition: int, offset: int, reason: str) -> str:
    """Give up the record and return the event's id. Raise NoSuchRecord, StillReadable, NotAnEvent."""
    from events.codec import UnknownVersion, decode
    from events.envelope import MalformedEvent
    from infra import deadletters, given_up
    from infra.answering import check_kafka
    from infra.cli.market import market_connection
    from infra.embedded import addresses

    config = Config.running()
    bootstrap = addresses(config)[1]
    await check_kafka(bootstrap)
    record = await deadletters.record_at(bootstrap, deadletters.MessagePlace(topic, partition, offset))
    named = f"message {offset} in partition {partition} of {topic}"
    try:
        decode(record.value, record.headers)
    except UnknownVersion:
        unreadable = given_up.of(record)
    except MalformedEvent as error:
        raise NotAnEvent(f"{named} is not an event and becomes a dead letter by itself: {error}") from error
    else:
        raise StillReadable(f"this release reads {named}: it blocks no consumer")
    async with market_connection(config, "operations.given_up") as connection:
        await given_up.give_up(connection, unreadable, reason)
    return unreadable.event_id


def _chosen(number: int | None, everything: bool) -> "list[DeadLetter]":
    """The dead letter with that number, or all that nobody settled."""
    if (number is None) != everything:
        raise typer.BadParameter("give either a number or --all")
    return [each for each in asyncio.run(_read()) if not each.settled] if number is None else [_one(number)]


def _summary(letter: "DeadLetter") -> dict[str, object]:
    """The letter in short. ``reader`` joins ``consumer`` and ``view``: a replay goes to it."""
    names = (
        "position",
        "consumer",
        "view",
        "reader",
        "type",
        "event_id",
        "topic",
        "partition",
        "offset",
        "error",
        "replayed",
        "dismissed",
    )
    return {name: getattr(letter, name) for name in names}


def _one(number: int) -> "DeadLetter":
    for letter in asyncio.run(_read()):
        if letter.position == number:
            return letter
    raise NoSuchDeadLetter(f"there is no dead letter {number}; see `lonja dead-letters list`")


async def _read() -> "list[DeadLetter]":
    from infra import deadletters
    from infra.answering import check_kafka
    from infra.embedded import addresses

    bootstrap = addresses(Config.running())[1]
    await check_kafka(bootstrap)
    return [letter async for letter in deadletters.read(bootstrap)]


async def _with_producer(letters: "list[DeadLetter]", act: "Callable[[Any, DeadLetter], Awaitable[None]]") -> None:
    from infra.embedded import addresses
    from infra.producer import Producer

    kafka = Producer(addresses(Config.running())[1])
    await kafka.start()
    try:
        for letter in letters:
            await act(kafka, letter)
    finally:
        await kafka.stop()
