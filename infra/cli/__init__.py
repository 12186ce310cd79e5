"""The command line, `lonja`. To add a command: a module here with a function or a `typer.Typer`, and one line below; a service
adds a `typer.Typer` of its own, in its `cli.py`, and one line in SERVICE_COMMANDS.

Modules import what is heavy (Kafka, services, models) inside their functions, so that `lonja --help` is instant.
"""

import logging
import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from infra import heartbeat
from infra.cli import (
    apart,
    backup,
    consumers,
    dead_letters,
    demo,
    doctor,
    mailbox,
    migrate,
    outbox,
    serve,
    simulate,
    streams,
    topics,
    up,
)
from infra.cli.output import say_error
from infra.config import mistakes

SERVICE_COMMANDS = {
    "members": ("services.accounts.cli:app",),
    "import": ("services.transparency.cli:import_app",),
    "export": ("services.transparency.cli:export_app", "services.auctions.cli:export_app"),
    "verify": ("services.auctions.cli:verify_app",),
    "recommender": ("services.recommender.cli:app",),
}
"""Looked up when they are asked for: infra knows services by name alone. Where several share a name, the first brings its help."""


class Commands(TyperGroup):
    """Our own commands, then those of services."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *SERVICE_COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SERVICE_COMMANDS:
            return super().get_command(ctx, cmd_name)
        first, *others = (_group(each) for each in SERVICE_COMMANDS[cmd_name])
        for other in others:
            first.commands |= other.commands
        first.name = cmd_name
        return first


def _group(where: str) -> TyperGroup:
    module, _, name = where.partition(":")
    group = typer.main.get_command(getattr(import_module(module), name))
    assert isinstance(group, TyperGroup)
    return group


app = typer.Typer(
    cls=Commands,
    name="lonja",
    help="Lonja, an event-driven procurement marketplace. Settings are variables LONJA_…; see README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("up")(up.up)
app.command("apart", hidden=True)(apart.apart)
app.command("migrate")(migrate.migrate)
app.command("serve")(serve.serve)
app.command("streams")(streams.streams)
app.command("rebuild")(streams.rebuild)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("topics")(topics.topics)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(outbox.app, name="outbox")
app.add_typer(consumers.app, name="consumers")
app.command("mailbox")(mailbox.mailbox)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """The entry point. Errors named after a rule (they carry a `code`) are said in one line; others are bugs and trace."""
    os.umask(0o077)  # a home is its owner's alone
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is said by the command, once
    if heartbeat.VARIABLE not in os.environ:  # else `lonja up` has said it
        for mistake in mistakes(os.environ):
            say_error(mistake)
    try:
        app()
    except Exception as failure:
        if not isinstance(getattr(failure, "code", None), str):
            raise
        say_error(str(failure))
        sys.exit(1)
