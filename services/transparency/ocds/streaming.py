"""Walk JSON that is too large to hold: the members of a package and, one by one, the elements of its lists.

Memory is bounded by the largest single release, not by the file.
"""

import codecs
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any, NamedTuple

CHUNK = 1024 * 1024
LARGEST = 64 * 1024 * 1024
"""Characters of one element."""
_LISTS = ("releases", "records")
_SPACE = re.compile(r"[\s\ufeff]*")


class Broken(ValueError):
    """The text stops being JSON at ``offset`` (characters)."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Element(NamedTuple):
    json: str


class _Window:
    """The part of the text in memory, with a position in it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.json = json.JSONDecoder(parse_float=Decimal)
        self.text, self.at, self.before, self.ended = "", 0, 0, False

    def more(self) -> None:
        chunk = self.stream.read(CHUNK)
        self.ended = not chunk
        self.text = self.text[self.at :] + self.decoder.decode(chunk, final=self.ended)
        self.before += self.at
        self.at = 0

    def peek(self) -> str:
        """The next sign that is not a space; "" at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.more()

    def take(self, signs: str) -> str:
        sign = self.peek()
        if not sign or sign not in signs:
            raise Broken(self.before + self.at, f"expected one of {signs!r}, found {sign or 'the end'!r}")
        self.at += 1
        return sign

    def value(self) -> tuple[Any, str]:
        """The next value, and its JSON."""
        self.peek()
        while True:
            try:
                found, end = self.json.raw_decode(self.text, self.at)
                if end < len(self.text) or self.ended:
                    begin, self.at = self.at, end
                    return found, self.text[begin:end]
            except RecursionError as error:
                raise Broken(self.before + self.at, "nested too deeply") from error
            except ValueError as error:
                if self.ended or len(self.text) - self.at > LARGEST:
                    raise Broken(self.before + self.at, str(error)) from error
            self.more()


def members(stream: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Of an object: (name, value), but ("releases", one element) for each element of the long lists. Of a list: ("", element). An
    element comes as its JSON (:class:`Element`).

    A wrapper's ``package`` is walked as if it were the document, and further values behind the first likewise.
    Raises :class:`Broken`; what came before it holds.
    """
    window = _Window(stream)
    while first := window.peek():
        if first == "[":
            yield from (("", element) for element in _elements(window))
        else:
            yield from _object(window)


def _object(window: _Window) -> Iterator[tuple[str, Any]]:
    window.take("{")
    if window.peek() == "}":
        window.take("}")
        return
    while True:
        name, _ = window.value()
        window.take(":")
        first = window.peek()
        if name in _LISTS and first == "[":
            yield from ((name, element) for element in _elements(window))
        elif name == "package" and first == "{":
            yield from _object(window)
        else:
            yield str(name), window.value()[0]
        if window.take(",}") == "}":
            return


def _elements(window: _Window) -> Iterator[Element]:
    window.take("[")
    if window.peek() == "]":
        window.take("]")
        return
    while True:
        yield Element(window.value()[1])
        if window.take(",]") == "]":
            return
