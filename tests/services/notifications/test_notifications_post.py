"""Sending letters to mail servers."""

import asyncio

import pytest

from services.notifications.post import SECONDS, AddressRefused, NotNow, reads_as_itself, send


@pytest.mark.parametrize("address", ["ana@x.example", "o'neil+tag@x.example", "ана@почта.рф"])
def test_an_address_is_read_unchanged(address: str) -> None:
    assert reads_as_itself(address)


@pytest.mark.parametrize(
    "address",
    ["(x)ana@x.example", "ana:x@x.example", "ana@x(y).example", ".:@é.:\\", "(b!@).*)\\b.[]a", "(é):(@.!)\\\\.:]"],
)
async def test_nothing_goes_to_an_address_that_mail_programs_read_as_another(address: str) -> None:
    assert not reads_as_itself(address)
    with pytest.raises(AddressRefused):
        await send("smtp://127.0.0.1:9", "lonja@localhost", address, b"")


class Slow:
    """A mail server with given answers, which never answers QUIT."""

    def __init__(self, **replies: str) -> None:
        self.replies = {
            "EHLO": "250 x",
            "MAIL": "250 x",
            "RCPT": "250 x",
            "DATA": "354 x",
            ".": "250 x",
            "RSET": "250 x",
        } | replies
        self.heard: list[str] = []
        self.left = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        while line := (await reader.readline()).decode().strip():
            word = line.split()[0].upper()
            if word in self.replies:
                self.heard.append(word)
                writer.write(self.replies[word].encode() + b"\r\n")
            elif word == "QUIT":
                self.heard.append(word)
        self.left.set()
        writer.close()


async def sent_to(server: Slow) -> None:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            async with asyncio.timeout(SECONDS / 2):  # it answers at once, except to QUIT
                await send(f"smtp://127.0.0.1:{port}", "a@b.example", "x@slow.example", b"Subject:x\r\n")
        finally:
            await server.left.wait()


async def test_what_a_server_said_of_a_letter_counts_whatever_it_says_to_the_goodbye() -> None:
    """Otherwise a server that hangs at QUIT would get the letter twice."""
    taking, busy = Slow(), Slow(**{".": "451 x"})
    await sent_to(taking)
    with pytest.raises(NotNow, match="451"):
        await sent_to(busy)
    words = ["EHLO", "MAIL", "RCPT", "DATA", "."]
    assert (taking.heard, busy.heard) == ([*words, "QUIT"], [*words, "RSET", "QUIT"])
