"""The command line, `lonja`. To add a command: a module here with a function or a `typer.Typer`, and one line below.

Modules import what is heavy (Kafka, services, models) inside their functions, so that `lonja --help` is instant.
"""

import logging
import sys

import typer

from infra.cli import dead_letters, doctor, mailbox, serve, streams, topics, up
from infra.cli.output import say_error

app = typer.Typer(
    name="lonja",
    help="Lonja, an event-driven procurement marketplace. Settings are variables LONJA_…; see README.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("up")(up.up)
app.command("serve")(serve.serve)
app.command("streams")(streams.streams)
app.command("rebuild")(streams.rebuild)
app.command("topics")(topics.topics)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("mailbox")(mailbox.mailbox)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """The entry point. Errors named after a rule (they carry a `code`) are said in one line; others are bugs and trace."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what fails is said by the command, once
    try:
        app()
    except Exception as failure:
        if not isinstance(getattr(failure, "code", None), str):
            raise
        say_error(str(failure))
        sys.exit(1)
