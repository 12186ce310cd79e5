"""The market's Merkle tree (RFC 9162) from the hashes of its complete subtrees: a root or a path needs as many hashes
as the tree has levels.

A **place** is a level and a number: the subtree of ``2**level`` leaves that begins at leaf ``number * 2**level``,
counted from 0. It never changes once it is complete. Subtrees from :data:`LEVEL` up are stored; lower ones are computed
again from the leaves of a block.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from hashlib import sha256

from services.auctions.domain.chain import Path

LEVEL = 8
BLOCK = 1 << LEVEL
"""How many leaves a subtree of that level has."""
Place = tuple[int, int]
Hashes = Mapping[Place, bytes]


def peaks(size: int) -> list[Place]:
    """Return the complete subtrees of a tree of ``size`` leaves, from the left."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


def needed(size: int, leaf: int | None = None) -> set[Place]:
    """Return the places that :func:`root`, or with a leaf :func:`path`, needs for a tree of ``size`` leaves."""
    return {*peaks(size), *(() if leaf is None else _siblings(size, leaf))}


def root(size: int, known: Hashes) -> bytes:
    """Return the root of the first ``size`` leaves, at least one."""
    return _joined([known[place] for place in peaks(size)])


def path(size: int, leaf: int, known: Hashes) -> Path:
    """Return the path from a leaf, counted from 0, to the root of the first ``size`` leaves."""
    steps = [("right" if number & 1 else "left", known[level, number]) for level, number in _siblings(size, leaf)]
    before = [place for place in peaks(size) if _end(place) <= leaf]
    after = [place for place in peaks(size) if _end(place) - (1 << place[0]) > leaf]
    if after:
        steps.append(("right", _joined([known[place] for place in after])))
    steps += [("left", known[place]) for place in reversed(before)]
    return [(side, other.hex()) for side, other in steps]


def subtrees(block: int, texts: Sequence[str]) -> dict[Place, bytes]:
    """Return all complete subtrees of a block of leaves. The block may have fewer than :data:`BLOCK` leaves."""
    found: dict[Place, bytes] = {}
    level, first = 0, block << LEVEL
    hashes = [sha256(b"\x00" + text.encode()).digest() for text in texts]
    while hashes:
        found |= {(level, first + at): each for at, each in enumerate(hashes)}
        hashes = [_node(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        level, first = level + 1, first >> 1
    return found


def grown(blocks: int, texts: Sequence[str], known: Hashes) -> dict[Place, bytes]:
    """Return the further hashes to store when whole blocks of leaves follow the first ``blocks``. ``known`` has the
    peaks of the first blocks."""
    new: dict[Place, bytes] = {}
    for at in range(len(texts) // BLOCK):
        level, number = LEVEL, blocks + at
        hashed = subtrees(number, texts[at * BLOCK : (at + 1) * BLOCK])[level, number]
        new[level, number] = hashed
        while number & 1:
            left = (level, number - 1)
            hashed = _node(new[left] if left in new else known[left], hashed)
            level, number = level + 1, number >> 1
            new[level, number] = hashed
    return new


def peaks_of_blocks(blocks: int) -> list[Place]:
    return [(level + LEVEL, number) for level, number in peaks(blocks)]


def _siblings(size: int, leaf: int) -> list[Place]:
    """Return the siblings inside the complete subtree that has the leaf, from below."""
    top = next(level for level, number in peaks(size) if leaf < (number + 1) << level)
    return [(level, leaf >> level ^ 1) for level in range(top)]


def _end(place: Place) -> int:
    level, number = place
    return (number + 1) << level


def _joined(hashes: Iterable[bytes]) -> bytes:
    """Return the joined hash of neighbours, of which the left one is the larger."""
    return reduce(lambda right, left: _node(left, right), reversed(list(hashes)))


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
