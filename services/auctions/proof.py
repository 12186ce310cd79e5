"""The proof of an auction: a file of its public log that anybody can check without this market, its database or a
network.

Every line but the last is a line of the log as :mod:`services.auctions.domain.chain` hashes it. The last is the
trailer: the root, its path into the market's Merkle log, and the signed checkpoint. There is only one way to write it,
so a file in which any byte was changed is not this proof. docs/verify.md describes the format for authors of other
verifiers.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from catalogue.rules import RuleBroken
from events.auctions import AuctionClosed, AuctionOpened, BidRefused
from events.codec import Event, registry
from infra.signing import signed_by
from services.auctions.domain import chain
from services.auctions.domain.auction import STOPPED
from services.auctions.domain.audit import Audit, Unsound, begun, follow
from services.auctions.receipts import Receipt, holds

TRAILER = "lonja.auctions.proof.v1"


class Trailer(msgspec.Struct, frozen=True, kw_only=True):
    """Hashes, key and signature are hexadecimal; ``path`` leads from the auction's leaf to ``log_root``."""

    type: str = TRAILER
    root: str
    path: chain.Path
    size: int
    log_root: str
    signed_at: datetime
    key: str
    signature: str


class _Line(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw


def part(lines: Iterable[bytes]) -> bytes:
    """Return lines of the log as the proof has them."""
    return b"".join(line + b"\n" for line in lines)


def end(trailer: Trailer) -> bytes:
    return msgspec.json.encode(trailer) + b"\n"


def verify(proof: bytes, *, key: str | None = None) -> tuple[Audit, Trailer]:
    """Recompute what the log says: every verdict, every end, the winner. ``key`` is the market's key, if it is known.

    Raise :class:`Unsound`, which names the line.
    """
    *lines, last = _split(proof)
    trailer = _trailer(last, len(lines))
    root = chain.root(lines)
    _anchored(lines, root, trailer, key)
    facts = [_fact(line, number) for number, line in enumerate(lines)]
    opened = facts[0]
    if not isinstance(opened, AuctionOpened):
        raise Unsound("the log does not begin with an opening", 0)
    audit = begun(opened)
    for number, fact in enumerate(facts[1:], start=1):
        try:
            audit = follow(audit, fact, number)
        except (RuleBroken, ArithmeticError, LookupError, ValueError) as error:
            raise Unsound(f"it does not follow from the log before: {error}", number) from error
    if not isinstance(facts[-1], AuctionClosed):
        raise Unsound("the log does not end with the close", len(facts) - 1)
    return audit, trailer


def verify_receipt(text: bytes, proof: bytes | None = None, *, key: str | None = None) -> Receipt:
    """Check that a receipt is sound, that it is the market's (if ``key`` is known), and that it is in the log (if
    ``proof`` is given).

    Raise Unsound.
    """
    try:
        receipt = msgspec.json.decode(text, type=Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unsound(f"the receipt cannot be read: {error}") from error
    if msgspec.json.encode(receipt) != text.removesuffix(b"\n") or not _hexadecimal(
        receipt.key, receipt.signature, receipt.previous
    ):
        raise Unsound("the receipt is not written as receipts are")
    if not holds(receipt):
        raise Unsound("the signature is not the key's under this line")
    if key is not None and key != receipt.key:
        raise Unsound(f"it is signed by {receipt.key}, not by the market's key {key}")
    if proof is not None and not _too_late(receipt, lines := lines_of(proof)):
        if receipt.position >= len(lines) or lines[receipt.position] != receipt.line.encode():
            raise Unsound("the auction's log has another line at this position", receipt.position)
        if chain.root(lines[: receipt.position]).hex() != receipt.previous:
            raise Unsound("the log before this line is not the one the receipt was given for", receipt.position)
    return receipt


def _too_late(receipt: Receipt, lines: list[bytes]) -> bool:
    """Return whether the receipt is about a bid after the close or after a withdrawal. The log ends with the close, so
    it does not have the bid's line."""
    if receipt.position < len(lines):
        return False
    refused, closed = _fact(receipt.line.encode(), receipt.position), _fact(lines[-1], len(lines) - 1)
    return (
        isinstance(refused, BidRefused)
        and isinstance(closed, AuctionClosed)
        and (refused.arrived_at >= closed.closed_at or closed.outcome in STOPPED)
    )


def lines_of(proof: bytes) -> list[bytes]:
    """Return the log's lines, without the trailer. Raise Unsound."""
    return _split(proof)[:-1]


def _split(proof: bytes) -> list[bytes]:
    if not proof.endswith(b"\n"):
        raise Unsound("the file does not end with a line feed")
    lines = proof[:-1].split(b"\n")
    if len(lines) < 3:
        raise Unsound("the file has no opening, close and trailer")
    return lines


def _trailer(line: bytes, number: int) -> Trailer:
    try:
        trailer = msgspec.json.decode(line, type=Trailer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unsound(f"the trailer cannot be read: {error}", number) from error
    if msgspec.json.encode(trailer) != line or trailer.type != TRAILER:
        raise Unsound("the trailer is not written as proofs are", number)
    return trailer


def _anchored(lines: list[bytes], root: bytes, trailer: Trailer, key: str | None) -> None:
    number = len(lines)
    if root.hex() != trailer.root:
        raise Unsound(f"the lines make the root {root.hex()}, the trailer says {trailer.root}", number)
    opened = _fact(lines[0], 0)
    try:
        climbed = chain.root_of_path(chain.leaf(opened.subject, number - 1, root), trailer.path)
        log_root = bytes.fromhex(trailer.log_root)
    except ValueError as error:
        raise Unsound(f"the path into the market's log is not valid: {error}", number) from error
    if climbed != log_root or log_root.hex() != trailer.log_root:
        raise Unsound("the path does not lead to the root of the market's log", number)
    if key is not None and key != trailer.key:
        raise Unsound(f"it is signed by {trailer.key}, not by the market's key {key}", number)
    text = chain.checkpoint_text(trailer.size, log_root, trailer.signed_at)
    if not _hexadecimal(trailer.key, trailer.signature) or not signed_by(trailer.key, trailer.signature, text):
        raise Unsound("the signature is not the key's under this checkpoint", number)


def _hexadecimal(*texts: str) -> bool:
    """Return whether the texts are in lower case, as they are written: another spelling would be another file."""
    return all(set(text) <= set("0123456789abcdef") for text in texts)


def _fact(line: bytes, number: int) -> Event:
    try:
        outer = msgspec.json.decode(line, type=_Line)
        known = registry().get(outer.type)
        if known is None:
            raise Unsound(f"there is no event {outer.type}", number)
        fact: Event = msgspec.json.decode(outer.data, type=known)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unsound(f"the line cannot be read: {error}", number) from error
    return fact
