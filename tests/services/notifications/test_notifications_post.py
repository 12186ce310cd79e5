"""Which replies of a mail server end a letter, and after which it is tried again."""

import asyncio

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.notifications import post

LETTER = b"From: a@market.example\r\nTo: b@supplies.example\r\nSubject: s\r\n\r\nt\r\n"


class Replies:
    """Answers as it is told; None: with what it should."""

    def __init__(self, *, mail: str | None = None, rcpt: str | None = None, data: str | None = None) -> None:
        self.mail, self.rcpt, self.data = mail, rcpt, data

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.mail or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.rcpt or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data == "breaks":
            raise OSError(28, "No space left on device")
        return self.data or "250 kept"


@pytest.mark.parametrize(
    ("replies", "raised"),
    [
        (Replies(rcpt="550 5.1.1 no such mailbox"), post.AddressRefused),
        (Replies(rcpt="551 not here"), post.AddressRefused),
        (Replies(rcpt="553 not a name"), post.AddressRefused),
        (Replies(rcpt="556 the domain takes no mail"), post.AddressRefused),
        (Replies(rcpt="552 5.2.2 the mailbox is full"), post.NotNow),
        (Replies(rcpt="451 come again"), post.NotNow),
        (Replies(rcpt="500 out of order"), post.NotNow),
        (Replies(rcpt="530 5.7.0 log in first"), post.NotNow),
        (Replies(data="554 5.7.1 this is spam"), post.LetterRefused),
        (Replies(data="550 5.7.1 against our policy"), post.LetterRefused),
        (Replies(data="breaks"), post.NotNow),
        (Replies(data="552 5.3.1 no room"), post.NotNow),
        (Replies(data="452 4.3.1 no room"), post.NotNow),
        (Replies(mail="550 5.7.1 this account sends no mail"), post.NotNow),
        (Replies(mail="502 not implemented"), post.NotNow),
    ],
    ids=lambda value: str(getattr(value, "mail", None) or getattr(value, "rcpt", None) or getattr(value, "data", "")),
)
async def test_only_what_is_said_of_the_address_or_the_letter_is_final(
    replies: Replies, raised: type[Exception]
) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(replies), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(raised) as caught:
            await post.send(f"smtp://127.0.0.1:{port}", "a@market.example", "b@supplies.example", LETTER)
    assert type(caught.value) is raised
