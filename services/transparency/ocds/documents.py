"""Reads the JSON documents of a file, one at a time and in bounded memory.

It understands: one JSON value (pretty-printed or not), JSON Lines, several values in sequence, a list of documents;
plain or gzip; UTF-8 with or without byte order mark, UTF-16 with one, and Windows-1252 if the bytes are not UTF-8. The
content decides, not the name. A file that is one value of more than ``WHOLE`` bytes is streamed through
:mod:`~.streaming`.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from services.transparency.ocds import streaming
from services.transparency.ocds.tolerance import NotUnderstood

WHOLE = 16 * 1024 * 1024
"""Bytes at the beginning of a file that are examined; a file with no more bytes is read in one piece."""
LONGEST_LINE = 64 * 1024 * 1024
_LINES_TRIED = 20


class FilePiece(msgspec.Struct, frozen=True):
    """A part of a file that is not parsed yet: one value as JSON, or, if it is a ``whole`` file, perhaps several."""

    where: str
    content: bytes
    whole: bool = False


class Document(msgspec.Struct, frozen=True):
    """``body`` is the parsed JSON, with fractions as Decimal. ``where`` names the file and the line or the element."""

    where: str
    body: Any


class UnreadablePiece(msgspec.Struct, frozen=True):
    """A piece of a file that is not JSON, with the reason. ``kind`` is one of a few texts; ``reason`` may quote the
    file."""

    where: str
    kind: str
    reason: str


_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_sorting = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def read_documents(path: Path, ledger: NotUnderstood) -> Iterator[Document | UnreadablePiece]:
    """All documents of a file, in order. A part that cannot be read is returned as UnreadablePiece, and the rest follows.

    Raise OSError if the file itself cannot be opened.
    """
    for piece in read_pieces(path):
        yield from documents_of(piece, ledger)


def documents_of(piece: FilePiece | UnreadablePiece, ledger: NotUnderstood) -> Iterator[Document | UnreadablePiece]:
    ledger.where = piece.where
    if isinstance(piece, UnreadablePiece):
        yield piece
    elif piece.whole:
        yield from _whole(piece.where, piece.content, ledger)
    else:
        yield _document(piece.where, piece.content, ledger)


def read_pieces(path: Path) -> Iterator[FilePiece | UnreadablePiece]:
    """The pieces of a file, in order. Raise OSError if it cannot be opened."""
    with binary(path) as stream:
        try:
            yield from _pieces(path.name, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield UnreadablePiece(path.name, "file: damaged compression", str(error))


def binary(path: Path) -> IO[bytes]:
    """Open the file to read bytes; a gzip archive is unpacked."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _pieces(name: str, stream: IO[bytes]) -> Iterator[FilePiece | UnreadablePiece]:
    start = stream.read(2)
    stream.seek(0)
    if start in (b"\xff\xfe", b"\xfe\xff"):
        stream = cast(IO[bytes], codecs.EncodedFile(stream, "utf-8", "utf-16", errors="replace"))
    head = stream.read(WHOLE)
    there_is_more = bool(stream.read(1))
    stripped = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not stripped:
        yield UnreadablePiece(name, "file: empty", "there is nothing in it")
    elif _by_lines(name, stripped):
        stream.seek(0)
        yield from _lines(name, stream)
    elif not there_is_more:
        yield FilePiece(name, stripped, whole=True)
    else:
        del head, stripped
        stream.seek(0)
        yield from _streamed(name, stream)


def _by_lines(name: str, content: bytes) -> bool:
    """Whether the file is JSON Lines: one of the first lines is a complete JSON object, or the file's name says so. It
    is not if the first line only begins an object."""
    first, *others = content.split(b"\n", _LINES_TRIED)[:_LINES_TRIED]
    if first.strip() in (b"{", b"["):
        return False
    if re.search(r"\.(jsonl|ndjson|jl)(\.gz)?$", name) or not isinstance(parsed(first), Unclear):
        return True
    return any(isinstance(parsed(line), dict) for line in others)


def _lines(name: str, stream: IO[bytes]) -> Iterator[FilePiece | UnreadablePiece]:
    number = 0
    while line := stream.readline(LONGEST_LINE):
        number += 1
        where = f"{name}:{number}"
        if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield UnreadablePiece(where, "line: longer than 64 MiB", "split it into releases")
            continue
        line = line.removeprefix(b"\xef\xbb\xbf").strip().strip(b"\x1e")
        if line:
            yield FilePiece(where, line)


def _whole(name: str, content: bytes, ledger: NotUnderstood) -> Iterator[Document | UnreadablePiece]:
    """The documents of a file that is one value, or several values in sequence."""
    document = _document(name, content, ledger)
    if isinstance(document, Document) or document.kind != "not JSON":
        yield document
        return
    text, at, number = content.decode("utf-8", errors="replace"), 0, 0
    values = json.JSONDecoder(parse_float=Decimal)
    while at < len(text):
        try:
            body, at = values.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield UnreadablePiece(f"{name}@{at}", document.kind, str(error) if number else document.reason)
            return
        number += 1
        yield Document(f"{name}#{number}", body)
        at += len(text[at:]) - len(text[at:].lstrip())


def _streamed(name: str, stream: IO[bytes]) -> Iterator[FilePiece | UnreadablePiece]:
    """The documents of a large file. It is read twice, because a package's publisher and licence may come after its
    releases."""
    about: dict[str, Any] = {}
    with suppress(streaming.Broken):  # the second pass will find the same error, after everything before it
        about = {
            member: value for member, value in streaming.members(stream) if member not in ("", "releases", "records")
        }
    stream.seek(0)
    number = 0
    try:
        for member, value in streaming.members(stream):
            if member in ("", "releases", "records"):
                number += 1
                yield FilePiece(f"{name}#{number}", _within(about, member, value))
    except streaming.Broken as broken:
        yield UnreadablePiece(f"{name}@{broken.offset}", "not JSON", str(broken))
    if not number and about:
        yield FilePiece(name, written(about))


def _within(about: dict[str, Any], member: str, value: Any) -> bytes:
    """A document with one element: from a list the element alone, from a package with the package's other members."""
    content = value.json.encode() if isinstance(value, streaming.Element) else written(value)
    if not member:
        return content
    before = written(about).removesuffix(b"}") + b"," if about else b"{"
    return b'%s"%s":[%s]}' % (before, member.encode(), content)


def _document(where: str, content: bytes, ledger: NotUnderstood) -> Document | UnreadablePiece:
    body = parsed(content)
    if isinstance(body, Unclear) and body.kind == "not UTF-8":
        ledger.add("document: not UTF-8, read as Windows-1252", where)
        body = parsed(content.decode("cp1252", errors="replace").encode())
    if isinstance(body, Unclear):
        return UnreadablePiece(where, body.kind, body.reason)
    return Document(where, body)


class Unclear(msgspec.Struct, frozen=True):
    kind: str
    reason: str


def parsed(content: bytes) -> Any:
    """The value, with fractions as Decimal, or Unclear. NaN, infinities and lone surrogates, which strict JSON does not
    allow, are accepted."""
    try:
        return _decoder.decode(content)
    except RecursionError:
        return Unclear("nested too deeply", "more levels than any procurement document has")
    except ValueError:
        pass
    try:
        return json.loads(content.decode("utf-8"), parse_float=Decimal, parse_int=_integer)
    except RecursionError:
        return Unclear("nested too deeply", "more levels than any procurement document has")
    except UnicodeDecodeError as error:
        return Unclear("not UTF-8", error.reason)
    except ValueError as error:
        return Unclear("not JSON", str(error))


def canonical(body: Any) -> bytes:
    """JSON that is the same for the same content, whatever the order of its members."""
    try:
        return _sorting.encode(body)
    except (ValueError, OverflowError):  # as below
        return json.dumps(body, sort_keys=True, default=str).encode()


def written(body: Any) -> bytes:
    """The result of :func:`parsed` as JSON; numbers stay exact."""
    try:
        return _encoder.encode(body)
    except (ValueError, OverflowError):  # lone surrogates, and integers of more than 64 bits
        return json.dumps(body, default=str).encode()


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 100 else digits
