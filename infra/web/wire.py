"""Constants and functions that the HTTP server and the app share."""

import ipaddress
from functools import lru_cache
from typing import Any

TARGET_BYTES = 8 * 1024
"""The most bytes of the requested address."""
PARAMETERS = 200
"""The most parameters of a query. To read one parameter takes as long as a small part of a request, and it is done before the
caller is known."""
LONG_ADDRESS = "lonja_long_address"
"""The key of the scope if the address exceeds these limits: the request must not be carried out. The query was removed;
the value is True if the path is complete."""
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
    """The subscriber of an address: the address itself, or for IPv6 its /64 network, which belongs to one
    subscriber."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False).network_address)
    except ValueError:  # a value that proxies write instead of an address
        return host


def shortened(url: bytes, scope: Any) -> bytes:
    """The address for the app. If it was longer than allowed, it is shortened and the scope says so."""
    if len(url) <= TARGET_BYTES and url.count(b"&") < PARAMETERS:
        return url
    path = url.partition(b"?")[0]
    scope[LONG_ADDRESS] = len(path) <= TARGET_BYTES
    return path[:TARGET_BYTES]
