"""Compresses the bodies of judged observations: there is one for each price, and they have most of their content in
common. PostgreSQL itself does not compress rows as small as these."""

import zlib

_ALIKE = (
    b'"vat_rate":"20","vat_included":true,"buyer_id":"00000000-0000-5000-8000-000000000000","category":{"code":"","scheme":"CPV","title":"'
    b'"unit":"C62","unit_text":"","pack_size":"10.00","published_at":"2026-01-01T00:00:00Z"},"latitude":null,"longitude":null},'
    b'{"kind":"contract","unit_price":"1.00","currency":"BRL","date":"2025-01-01","place":{"country":"BR","region":"BR-","locality":"'
    b'","latitude":null,"longitude":null},"title":"","category":{"code":"","scheme":"CATMAT","title":""},"unit":"","unit_text":"",'
    b'"pack_size":"1","quantity":"100","supplier_id":"","supplier_name":"","buyer_id":"","buyer_name":"","document":"",'
    b'"source":{"publisher":"","document":".csv:","licence":"","published_at":"2025-01-01T00:00:00Z"}}'
)
"""The dictionary: texts that bodies are likely to contain. Packed bodies can be read only with it, so it must never
change."""


def packed(body: str) -> bytes:
    packer = zlib.compressobj(9, zdict=_ALIKE)
    return packer.compress(body.encode()) + packer.flush()


def unpacked(kept: bytes) -> str:
    """The body. Raise :class:`zlib.error` if it is damaged or incomplete."""
    unpacker = zlib.decompressobj(zdict=_ALIKE)
    body = unpacker.decompress(kept)
    if not unpacker.eof:
        raise zlib.error("Its end is missing")
    return body.decode()
