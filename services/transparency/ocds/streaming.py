"""Reads JSON that is too large for memory: the members of a package and, one by one, the elements of its lists.

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
"""The most characters of one element."""
_LISTS = ("releases", "records")
_SPACE = re.compile(r"[\s\ufeff]*")


class Broken(ValueError):
    """The text is not JSON from ``offset`` (in characters) on."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Element(NamedTuple):
    json: str


class _Window:
    """The part of the text that is in memory, with a position in it."""

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
        """The next character that is not a space; "" at the end."""
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
    """The members of the document: for an object (name, value), but for the long lists ("releases", element) for each
    element; for a list ("", element). An element is returned as its JSON (:class:`Element`).

    The ``package`` of a wrapper is read as if it were the document, and so are further values after the first. Raise
    :class:`Broken`; what was returned before is valid.
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
