"""The command line, `lonja`. To add a command: a module here (or the `cli.py` of a service) with a function or a `typer.Typer`, and one
line in COMMANDS.

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
from infra.cli.output import say_error
from infra.config import mistakes

COMMANDS = {
    "up": ("infra.cli.up:up",),
    "apart": ("infra.cli.apart:apart",),
    "migrate": ("infra.cli.migrate:migrate",),
    "serve": ("infra.cli.serve:serve",),
    "streams": ("infra.cli.streams:streams",),
    "rebuild": ("infra.cli.streams:rebuild",),
    "demo": ("services.demonstration.cli:demo",),
    "simulate": ("services.demonstration.simulate:simulate",),
    "topics": ("infra.cli.topics:topics",),
    "mailbox": ("infra.cli.mailbox:mailbox",),
    "backup": ("infra.cli.backup:backup",),
    "restore": ("infra.cli.backup:restore",),
    "doctor": ("infra.cli.doctor:doctor",),
    "dead-letters": ("infra.cli.dead_letters:app",),
    "outbox": ("infra.cli.outbox:app",),
    "consumers": ("infra.cli.consumers:app",),
    "psql": ("infra.cli.psql:psql",),
    "members": ("services.accounts.cli:app",),
    "import": ("services.transparency.cli:import_app",),
    "export": ("services.transparency.cli:export_app", "services.auctions.cli:export_app"),
    "verify": ("services.auctions.cli:verify_app",),
    "recommender": ("services.recommender.cli:app",),
}
"""Commands and their modules. A module is imported only when its command is used. Infra knows services only by name. If
several entries have the same name, the help text is that of the first."""
HIDDEN = {"apart"}
"""Commands that other commands start and that people do not type."""


class Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        first, *others = (_command(each, cmd_name) for each in COMMANDS[cmd_name])
        for other in others:
            first.commands |= other.commands
        first.name = cmd_name
        return first


def _command(where: str, name: str) -> Any:
    module, _, attribute = where.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name, hidden=name in HIDDEN)(found)
        found = alone
    return typer.main.get_command(found)


app = typer.Typer(
    cls=Commands,
    name="lonja",
    help="Lonja, an event-driven procurement marketplace. Settings are variables LONJA_…; see README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _lonja() -> None:
    """The root command, of which Typer makes a group."""


def main() -> None:
    """The entry point. Errors named after a rule (they have a `code`) are printed in one line; others are bugs and are
    printed with a traceback."""
    os.umask(0o077)  # only the owner may read a home
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # commands report failures themselves, once
    if heartbeat.VARIABLE not in os.environ:  # else `lonja up` has reported it
        for mistake in mistakes(os.environ):
            say_error(mistake)
    try:
        app()
    except Exception as failure:
        if not isinstance(getattr(failure, "code", None), str):
            raise
        say_error(str(failure))
        sys.exit(1)
