"""Hands letters to the mail server, and says what became of them."""

from urllib.parse import unquote, urlsplit

import aiosmtplib

SECONDS = 20


class AddressRefused(Exception):
    """The server says for good (5xx at RCPT) that nobody reads mail at this address."""


class LetterRefused(Exception):
    """The server will not have this letter (5xx), whoever it is for."""


class NotNow(Exception):
    """The server is away, or asks to come again (4xx)."""


async def send(smtp_url: str, from_address: str, to: str, letter: bytes) -> None:
    """``smtp://user:password@host:port`` (STARTTLS where offered) or ``smtps://…``. Raises the three above."""
    parts = urlsplit(smtp_url)
    secure = parts.scheme == "smtps"
    try:
        await aiosmtplib.send(
            letter,
            sender=from_address,
            recipients=[to],
            hostname=parts.hostname,
            port=parts.port or (465 if secure else 25),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            use_tls=secure,
            timeout=SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        reply = error.recipients[0]
        if reply.code >= 500:
            raise AddressRefused(f"{reply.code} {reply.message}") from error
        raise NotNow(f"{reply.code} {reply.message}") from error
    except (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPConnectError, aiosmtplib.SMTPHeloError) as error:
        raise NotNow(str(error)) from error  # an account or server to be mended: the letter waits
    except aiosmtplib.SMTPResponseException as error:
        refused = LetterRefused if error.code >= 500 else NotNow
        raise refused(f"{error.code} {error.message}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise NotNow(str(error) or type(error).__name__) from error
