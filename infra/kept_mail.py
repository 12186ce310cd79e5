"""The files of the local mailbox: each message as it came, and its parts for reading."""

import secrets
import time
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from hashlib import sha256
from pathlib import Path

from infra.embedded.ports import remembered_port

MOST = 10_000
"""The most messages that are kept, however new they are."""


@dataclass(frozen=True)
class Mail:
    """One message as a reader sees it; `number` counts from 1 in order of arrival."""

    number: int
    subject: str
    sender: str
    recipients: str
    date: str
    text: str
    html: str


class NoSuchMail(LookupError):
    """There is no message with that number."""

    code = "no-such-mail"


def smtp_url(home: Path) -> str:
    return f"smtp://127.0.0.1:{remembered_port(home, 'mailbox-smtp')}"


def page_url(home: Path) -> str:
    return f"http://127.0.0.1:{remembered_port(home, 'mailbox')}"


def keep(directory: Path, content: bytes) -> Path:
    """Store a message so that a reader sees all of it or nothing. The file names sort in order of arrival.

    A message with the Message-ID of a stored one was sent again after a lost answer: it is kept once.
    """
    directory.mkdir(parents=True, exist_ok=True)
    identity = message_from_bytes(content).get("Message-ID")
    name = sha256(identity.encode()).hexdigest()[:16] if identity else secrets.token_hex(8)
    for stored in directory.glob(f"*-{name}.eml"):
        return stored
    path = directory / f"{time.time_ns()}-{name}.eml"
    fresh = path.with_suffix(".part")
    try:
        fresh.write_bytes(content)
        return fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def prune(directory: Path, before_ns: int, most: int = MOST) -> int:
    """Delete messages that came before that instant, and of the others all but the newest ``most``. Return the number
    of deleted messages."""
    stored = sorted(directory.glob("*.eml"), key=_arrived)
    gone = [path for number, path in enumerate(stored, 1) if _arrived(path) < before_ns or number <= len(stored) - most]
    for path in gone:
        path.unlink(missing_ok=True)
    return len(gone)


def _arrived(path: Path) -> int:
    """Time of arrival, in nanoseconds since the epoch."""
    return int(path.name.partition("-")[0])


def messages(directory: Path) -> list[Mail]:
    """All messages, oldest first."""
    return [_read(number, path) for number, path in enumerate(sorted(directory.glob("*.eml")), start=1)]


def message(directory: Path, number: int) -> Mail:
    """The message with that number. Raise NoSuchMail."""
    paths = sorted(directory.glob("*.eml"))
    if not 1 <= number <= len(paths):
        raise NoSuchMail(f"there is no message {number}; there are {len(paths)}")
    return _read(number, paths[number - 1])


def _read(number: int, path: Path) -> Mail:
    parsed = message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=modern)

    def header(name: str) -> str:
        return str(parsed.get(name, ""))

    def body(kind: str) -> str:
        part = parsed.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""

    return Mail(number, header("Subject"), header("From"), header("To"), header("Date"), body("plain"), body("html"))
