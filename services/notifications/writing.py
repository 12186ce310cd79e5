"""Letters as mail servers get them: a few are written where they are sent from; when many go out one after the other, a process of its
own writes them, so that what else the worker does, such as closing auctions, does not wait for their words."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from infra.beside import processes
from services.notifications.letters import Letter, mime
from services.notifications.links import Links

FEW = 50
"""Letters in a row that are written here: they are gone before another process has begun."""


class Writer:
    """``write`` them, and say when there is a ``pause``: then the other process ends."""

    def __init__(self, links: Links, from_address: str, public_url: str) -> None:
        self._links = links
        self._from = from_address
        self._public_url = public_url
        self._in_a_row = 0
        self._beside: ProcessPoolExecutor | None = None

    async def write(self, letter: Letter) -> bytes:
        """The same bytes wherever it is written."""
        self._in_a_row += 1
        if self._in_a_row <= FEW:
            return mime(letter, self._links, self._from, self._public_url)
        self._beside = self._beside or processes(1)
        told = msgspec.json.encode(letter)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._beside, _written, told, self._links, self._from, self._public_url)
        except BrokenProcessPool:  # it was killed: the next letters are written here, and then another one is tried
            self.pause()
            return mime(letter, self._links, self._from, self._public_url)

    def pause(self) -> None:
        """No letter waits."""
        self._in_a_row = 0
        if self._beside is not None:
            self._beside.shutdown(wait=False)
            self._beside = None


def _written(told: bytes, links: Links, from_address: str, public_url: str) -> bytes:
    """In the other process."""
    return mime(msgspec.json.decode(told, type=Letter), links, from_address, public_url)
