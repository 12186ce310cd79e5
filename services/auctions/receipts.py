"""Receipts: the market's signature under one line of an auction's log (format: :mod:`services.auctions.domain.chain`)."""

from __future__ import annotations  # checking a receipt needs no database

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from infra.signing import Signer, signed_by
from services.auctions.domain import chain

if TYPE_CHECKING:
    from services.auctions.store.bids import StoredVerdict


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``line`` is the exact text of the log's line ``position``; hashes, key and signature are hexadecimal."""

    auction_id: str
    position: int
    line: str
    previous: str
    hash: str
    path: chain.Path
    key: str
    signature: str


def issue(signer: Signer, kept: Sequence[StoredVerdict]) -> list[Receipt]:
    """Return the receipts of all verdicts, under one signature."""
    if not kept:
        return []
    lines = [chain.line(each.verdict.event.TYPE, each.data) for each in kept]
    hashes = [chain.link(each.previous, line) for each, line in zip(kept, lines, strict=True)]
    leaves = [
        chain.leaf(each.verdict.event.auction_id, each.line, hashed) for each, hashed in zip(kept, hashes, strict=True)
    ]
    root, paths = chain.tree(leaves)
    signature = signer.sign(chain.receipt_text(root))
    return [
        Receipt(
            auction_id=each.verdict.event.auction_id,
            position=each.line,
            line=line.decode(),
            previous=each.previous.hex(),
            hash=hashed.hex(),
            path=path,
            key=signer.key,
            signature=signature,
        )
        for each, line, hashed, path in zip(kept, lines, hashes, paths, strict=True)
    ]


def holds(receipt: Receipt) -> bool:
    """Return whether the receipt is sound: the hash matches its line, the path the hash, and the signature the key."""
    try:
        hashed = chain.link(bytes.fromhex(receipt.previous), receipt.line.encode())
        root = chain.root_of_path(chain.leaf(receipt.auction_id, receipt.position, hashed), receipt.path)
    except ValueError:
        return False
    return hashed.hex() == receipt.hash and signed_by(receipt.key, receipt.signature, chain.receipt_text(root))
