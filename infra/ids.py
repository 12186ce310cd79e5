"""Makes all ids: UUIDs as text. New ones are ordered by time; those of things that may come twice are derived from
names."""

import os
import time
import uuid

from events.derived import derive_id_in

_NAMESPACE = uuid.UUID("8f1a0f8e-6c57-5d0e-9b0c-6c6f6e6a6100").bytes


def new_id() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of milliseconds, then random bits, so that indexes grow at their end."""
    milliseconds = time.time_ns() // 1_000_000
    digits = (milliseconds.to_bytes(6) + os.urandom(10)).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def derive_id(*parts: str) -> str:
    """A UUID version 5 of the parts: the same parts always give the same id. Parts may hold any character."""
    return derive_id_in(_NAMESPACE, *parts)
