"""What the HTTP server and the app agree on."""

import ipaddress
from functools import lru_cache
from typing import Any

TARGET_BYTES = 8 * 1024
"""Of the address that is asked for."""
PARAMETERS = 200
"""Of a query. To read one costs as much as a small piece of a request, and is done before anybody knows who asks."""
LONG_ADDRESS = "lonja_long_address"
"""Of a scope: the address has more than that, and what it asks for is not to be done. The query is gone; True when the path is whole."""
ON_EVERY_ANSWER = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none';"
        b" form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


@lru_cache(4096)
def network(host: str) -> str:
    """Whom an address stands for: itself, in IPv6 its /64 network, which one subscriber has to himself."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False).network_address)
    except ValueError:  # what a proxy writes instead
        return host


def shortened(url: bytes, scope: Any) -> bytes:
    """The address as the app is to see it, and says so in the scope where it was longer than addresses may be."""
    if len(url) <= TARGET_BYTES and url.count(b"&") < PARAMETERS:
        return url
    path = url.partition(b"?")[0]
    scope[LONG_ADDRESS] = len(path) <= TARGET_BYTES
    return path[:TARGET_BYTES]
