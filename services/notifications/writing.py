"""Writes letters for mail servers. A few letters are written in the worker itself; if many follow one another, a
separate process writes them, so that other work of the worker, such as closing auctions, does not wait."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from infra.beside import processes
from services.notifications.letters import Letter, mime
from services.notifications.links import Links

FEW = 50
"""The most letters in a row that are written in the worker: they are sent before another process would have started."""


class Writer:
    """Call ``write`` for each letter, and ``pause`` when no letter waits: then the other process ends."""

    def __init__(self, links: Links, from_address: str, public_url: str) -> None:
        self._links = links
        self._from = from_address
        self._public_url = public_url
        self._in_a_row = 0
        self._beside: ProcessPoolExecutor | None = None

    async def write(self, letter: Letter) -> bytes:
        """Write a letter. The bytes are the same in both processes."""
        self._in_a_row += 1
        if self._in_a_row <= FEW:
            return mime(letter, self._links, self._from, self._public_url)
        self._beside = self._beside or processes(1)
        told = msgspec.json.encode(letter)
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._beside, _written, told, self._links, self._from, self._public_url)
        # the process was killed: the next letters are written here, then another process is tried
        except BrokenProcessPool:
            self.pause()
            return mime(letter, self._links, self._from, self._public_url)

    def pause(self) -> None:
        """End the other process, because no letter waits."""
        self._in_a_row = 0
        if self._beside is not None:
            self._beside.shutdown(wait=False)
            self._beside = None


def _written(told: bytes, links: Links, from_address: str, public_url: str) -> bytes:
    """Write a letter, in the other process."""
    return mime(msgspec.json.decode(told, type=Letter), links, from_address, public_url)
