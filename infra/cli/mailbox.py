"""`lonja mailbox`: the outgoing mail that the local mailbox kept."""

from dataclasses import asdict
from typing import Annotated

import typer

from infra.cli.output import AsJson, print_json, print_table, say
from infra.config import Config


def mailbox(
    number: Annotated[
        int | None, typer.Argument(help="The number of the message to show; without it, all are listed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the messages in the local mailbox, or show one."""
    from infra.kept_mail import message, messages, page_url

    config = Config.running()
    if number is not None:
        mail = message(config.mail_dir, number)
        if as_json:
            print_json(asdict(mail))
        else:
            say(
                f"From: {mail.sender}\nTo: {mail.recipients}\nDate: {mail.date}\nSubject: {mail.subject}\n\n{mail.text}"
            )
        return
    mails = messages(config.mail_dir)
    if as_json:
        print_json([{k: v for k, v in asdict(mail).items() if k not in ("text", "html")} for mail in mails])
    else:
        print_table(("number", "date", "to", "subject"), ((m.number, m.date, m.recipients, m.subject) for m in mails))
        say(f"{len(mails)} messages; while Lonja runs also at {page_url(config.home)}")
