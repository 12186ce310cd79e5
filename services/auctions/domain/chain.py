"""The log of an auction as a hash chain, and receipts for its lines. Anybody can check both from only their bytes.

A **line** is one fact, ``{"type":"<CloudEvents type>","data":<the event>}``, with exactly the bytes that the
event has on Kafka. The hash of the first line (the opening) is ``sha256(line)``. The hash of each next line is
``sha256(hash of the line before + line)``, with hashes as 32 bytes. The hash of the closing line is the auction's root.

One signature covers all lines that a batch added: it signs the root of the Merkle tree of their leaves
(:func:`leaf`), and each receipt has the path from its own leaf to that root. Nodes are ``sha256(0x01 + left + right)``
and leaves ``sha256(0x00 + leaf)``, as in RFC 9162.

The market has one Merkle log of all its auctions, made in the same way. Each auction has one leaf, its
closing line. A checkpoint is the market's signature of the size and root of that log. With the checkpoints and the leaves
anybody can check that no leaf was changed or removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

GENESIS = b""
"""The hash before the first line."""
Path = list[tuple[str, str]]
"""A path from a leaf to the root: the side of the other node ("left" or "right") and its hash, in hexadecimal."""


def line(event_type: str, data: bytes) -> bytes:
    """Return the line. ``data`` is the event's JSON."""
    return b'{"type":"' + event_type.encode() + b'","data":' + data + b"}"


def link(head: bytes, line: bytes) -> bytes:
    """Return the hash of a line that follows the line whose hash is ``head``."""
    return sha256(head + line).digest()


def root(lines: Iterable[bytes], head: bytes = GENESIS) -> bytes:
    """Return the hash of the last of these lines. The first of them follows the line whose hash is ``head``."""
    for each in lines:
        head = link(head, each)
    return head


def tree(leaves: Sequence[bytes]) -> tuple[bytes, list[Path]]:
    """Return the Merkle root of the leaves (at least one), and the path of each leaf to it."""
    level = [sha256(b"\x00" + each).digest() for each in leaves]
    at = list(range(len(level)))
    paths: list[Path] = [[] for _ in level]
    while len(level) > 1:
        for path, index in zip(paths, at, strict=True):
            other = index ^ 1
            if other < len(level):
                path.append(("left" if other < index else "right", level[other].hex()))
        above = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        level = above + level[len(level) & ~1 :]
        at = [index >> 1 for index in at]
    return level[0], paths


def root_of_path(leaf: bytes, path: Path) -> bytes:
    """Return the root to which a path leads from a leaf. Raise ValueError if a side or a hash is not valid."""
    node = sha256(b"\x00" + leaf).digest()
    for side, other in path:
        sibling = bytes.fromhex(other)
        if side not in ("left", "right") or len(sibling) != 32 or sibling.hex() != other:
            raise ValueError(f"not a step of a path: {side} {other}")
        node = sha256(b"\x01" + (sibling + node if side == "left" else node + sibling)).digest()
    return node


def leaf(auction_id: str, position: int, hashed: bytes) -> bytes:
    """Return a line as a leaf of a tree: its position and its hash. Positions count from 0, the opening."""
    return f"{auction_id} {position} {hashed.hex()}".encode()


def checkpoint_text(size: int, root: bytes, signed_at: datetime) -> bytes:
    """Return the text that is signed in a checkpoint: the market's log of ``size`` leaves has this root. The instant is
    written as in RFC 3339, in UTC."""
    instant = signed_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return f"lonja checkpoint 1\n{size}\n{root.hex()}\n{instant}".encode()


def receipt_text(root: bytes) -> bytes:
    """Return the text that is signed in a receipt."""
    return b"lonja receipt 1\n" + root.hex().encode()
