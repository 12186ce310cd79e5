"""The local mailbox: a real SMTP server that keeps every message as a file, and a page to read them.

Lonja's outgoing mail goes here unless LONJA_SMTP_URL names a server, so that a trial needs no mail account. Run by the
supervisor as `python -m infra.mailbox`.
"""

import asyncio
import time
from pathlib import Path

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment
from litestar import Litestar, get
from litestar.datastructures import ResponseHeader
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from infra import logs
from infra.config import Config
from infra.embedded.ports import remembered_port
from infra.heartbeat import beat
from infra.kept_mail import NoSuchMail, keep, message, messages, prune
from infra.tasks import background

PRUNED_EVERY = 600.0
DAY_NS = 86_400 * 10**9
# A message may contain any HTML: it is shown without scripts and without loading anything, in a frame that cannot
# access this page.
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}td,th{padding:.3rem .8rem .3rem 0;
text-align:left}iframe{width:100%;height:34rem;border:1px solid #bbb}pre{white-space:pre-wrap}</style>
{% if mail is defined %}<p><a href="/">All messages</a></p><h1>{{ mail.subject }}</h1>
<p>From {{ mail.sender }}<br>To {{ mail.recipients }}<br>{{ mail.date }}</p>
{% if mail.html %}<iframe title="HTML part" sandbox="allow-popups allow-popups-to-escape-sandbox"
srcdoc="<base target=_blank>{{ mail.html }}"></iframe>{% endif %}<h2>Text</h2><pre>{{ mail.text }}</pre>
{% else %}<h1>Mailbox</h1>{% if not mails %}<p>No message has arrived yet.</p>{% endif %}
<table>{% for mail in mails %}<tr><td>{{ mail.number }}<td>{{ mail.date }}<td>{{ mail.recipients }}
<td><a href="/{{ mail.number }}">{{ mail.subject }}</a>{% endfor %}</table>{% endif %}</html>"""


async def keep_pruning(config: Config) -> None:
    while True:
        before = time.time_ns() - config.keep.letters_days * DAY_NS
        await asyncio.to_thread(prune, config.mail_dir, before)
        await asyncio.sleep(PRUNED_EVERY)


class Keeper:
    """aiosmtpd's handler: accepts and stores everything. If the disk is full, it asks the sender to send the message
    again later."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        try:
            keep(self._directory, envelope.original_content or b"")
        except OSError as error:
            return f"452 4.3.1 not kept: {error.strerror or type(error).__name__}"
        return "250 kept"


def create_page(directory: Path) -> Litestar:
    template = Environment(autoescape=True).from_string(PAGE)

    @get("/", media_type="text/html")
    async def index() -> str:
        return template.render(mails=messages(directory)[::-1])

    @get("/{number:int}", media_type="text/html")
    async def one(number: FromPath[int]) -> str:
        try:
            return template.render(mail=message(directory, number))
        except NoSuchMail as missing:
            raise NotFoundException(str(missing)) from missing

    policy = ResponseHeader(name="Content-Security-Policy", value=CONTENT_POLICY)
    return Litestar([index, one], response_headers=[policy], openapi_config=None, logging_config=None)


async def run(config: Config) -> None:
    """Serve SMTP and the page until a signal comes."""
    handler = Keeper(config.mail_dir)
    smtp_port = remembered_port(config.home, "mailbox-smtp")
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(handler, data_size_limit=32 * 2**20, enable_SMTPUTF8=True), "127.0.0.1", smtp_port
    )
    page = uvicorn.Config(
        create_page(config.mail_dir),
        host="127.0.0.1",
        port=remembered_port(config.home, "mailbox"),
        log_config=None,
        log_level="warning",
    )
    async with smtp, background(beat(), name="heartbeat"), background(keep_pruning(config), name="pruning"):
        await uvicorn.Server(page).serve()


if __name__ == "__main__":
    settings = Config.load()
    logs.configure(settings.log_format)
    asyncio.run(run(settings))
