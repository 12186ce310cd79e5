"""How the body of an observation that was judged is kept: there is one for each price, and most of its letters are those of the others.
PostgreSQL itself packs no row as small as that."""

import zlib

_ALIKE = (
    b'"vat_rate":"20","vat_included":true,"buyer_id":"00000000-0000-5000-8000-000000000000","category":{"code":"","scheme":"CPV","title":"'
    b'"unit":"C62","unit_text":"","pack_size":"10.00","published_at":"2026-01-01T00:00:00Z"},"latitude":null,"longitude":null},'
    b'{"kind":"contract","unit_price":"1.00","currency":"BRL","date":"2025-01-01","place":{"country":"BR","region":"BR-","locality":"'
    b'","latitude":null,"longitude":null},"title":"","category":{"code":"","scheme":"CATMAT","title":""},"unit":"","unit_text":"",'
    b'"pack_size":"1","quantity":"100","supplier_id":"","supplier_name":"","buyer_id":"","buyer_name":"","document":"",'
    b'"source":{"publisher":"","document":".csv:","licence":"","published_at":"2025-01-01T00:00:00Z"}}'
)
"""What a body is likely to hold. What is packed with it can be read with it alone: it never changes."""


def packed(body: str) -> bytes:
    packer = zlib.compressobj(9, zdict=_ALIKE)
    return packer.compress(body.encode()) + packer.flush()


def unpacked(kept: bytes) -> str:
    """Raises :class:`zlib.error` where it is damaged or cut off."""
    unpacker = zlib.decompressobj(zdict=_ALIKE)
    body = unpacker.decompress(kept)
    if not unpacker.eof:
        raise zlib.error("Its end is missing")
    return body.decode()
