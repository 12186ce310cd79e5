"""Gives letters to the mail server, and reports the result.

A reply is final if it is about the address or the letter (RFC 5321, 4.2.3; RFC 7504). Every other reply, even a 5xx, is
about the server or our account: a full disk (500, 552), an unknown command (500 to 504), a required or refused login
(530, 535), an unknown sender. A person has to correct that, and the letter waits."""

import asyncio
from email.policy import EmailPolicy
from urllib.parse import unquote, urlsplit

import aiosmtplib

SECONDS = 20
OF_THE_ADDRESS = frozenset({521, 550, 551, 553, 554, 556})
"""Final replies to RCPT: no such mailbox, mailbox not here, wrong name, mailbox accepts no mail, domain accepts no
mail."""
OF_THE_LETTER = frozenset({550, 551, 553, 554})
"""Final replies to DATA: the policy of the server or of the reader forbids the letter."""


class AddressRefused(Exception):
    """The server finally refused the address (at RCPT), or mail programs would read it as another address."""


class LetterRefused(Exception):
    """The server refuses this letter for any address."""


class NotNow(Exception):
    """The server is away, asks to try again (4xx), or has a problem itself."""


def reads_as_itself(address: str) -> bool:
    """Whether mail programs read the address as it is written. An older release accepted comments, quotes and groups,
    such as ``(x)ana@x.example``."""
    try:
        read = EmailPolicy().header_factory("To", address).addresses
    except (AttributeError, LookupError, TypeError, ValueError):
        return False  # the library cannot parse the address, so mail programs may read it differently
    return [each.addr_spec for each in read] == [address]


async def send(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
    """``smtp://user:password@host:port`` (STARTTLS if offered) or ``smtps://…``. Raise the three errors above."""
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
    """End the session without waiting for the reply, which says nothing about an accepted letter."""
    if isinstance(client.transport, asyncio.WriteTransport) and not client.transport.is_closing():
        client.transport.write(b"QUIT\r\n")
    client.close()
