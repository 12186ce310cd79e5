"""Hands letters to the mail server, and says what became of them.

A reply is final where it speaks of the address or of the letter (RFC 5321, 4.2.3; RFC 7504). Every other one, even a 5xx, speaks of the
server or of our account: a disk that is full (500, 552), a command it does not know (500 to 504), a login that is wanted or refused (530,
535), a sender it does not know. Somebody mends that, and the letter waits."""

import asyncio
from email.policy import EmailPolicy
from urllib.parse import unquote, urlsplit

import aiosmtplib

SECONDS = 20
OF_THE_ADDRESS = frozenset({521, 550, 551, 553, 554, 556})
"""At RCPT: no such mailbox, not here, not a name, no mail for it, no mail for its domain."""
OF_THE_LETTER = frozenset({550, 551, 553, 554})
"""At DATA: the server's policy, or its reader's, is against the letter."""


class AddressRefused(Exception):
    """The server says for good (at RCPT) that nobody reads mail at this address, or mail programs would read it as another."""


class LetterRefused(Exception):
    """The server will not have this letter, whoever it is for."""


class NotNow(Exception):
    """The server is away, asks to come again (4xx), or is in trouble itself."""


def reads_as_itself(address: str) -> bool:
    """An older release took addresses with comments, quotes and groups, such as ``(x)ana@x.example``."""
    try:
        read = EmailPolicy().header_factory("To", address).addresses
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):  # what the library stumbles over, others read as they like
        return False
    return [each.addr_spec for each in read] == [address]


async def send(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
    """``smtp://user:password@host:port`` (STARTTLS where offered) or ``smtps://…``. Raises the three above."""
    if not reads_as_itself(to):
        raise AddressRefused(f"mail programs read another address in {to!r}")
    parts = urlsplit(smtp_url)
    secure = parts.scheme == "smtps"
    client = aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=parts.port or (465 if secure else 25),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=secure,
        timeout=SECONDS,
    )
    try:
        await client.connect()
        await client.sendmail(from_address, [to], letter)
    except aiosmtplib.SMTPRecipientsRefused as error:
        reply = error.recipients[0]
        if reply.code in OF_THE_ADDRESS:
            raise AddressRefused(f"{reply.code} {reply.message}") from error
        raise NotNow(f"{reply.code} {reply.message}") from error
    except aiosmtplib.SMTPDataError as error:
        refused = LetterRefused if error.code in OF_THE_LETTER else NotNow
        raise refused(f"{error.code} {error.message}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise NotNow(f"{error.code} {error.message}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotNow(str(error) or type(error).__name__) from error
    finally:
        _leave(client)


def _leave(client: aiosmtplib.SMTP) -> None:
    """Say so, and wait for no reply: it would tell nothing of a letter that was taken."""
    if isinstance(client.transport, asyncio.WriteTransport) and not client.transport.is_closing():
        client.transport.write(b"QUIT\r\n")
    client.close()
