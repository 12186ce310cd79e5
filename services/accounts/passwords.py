"""Passwords as argon2id hashes. Each costs 19 MiB and 25 ms on purpose, so only a few are computed at a time to protect
the web process."""

import asyncio
import hashlib
import os
import secrets
import threading
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

# The first of the equivalent parameter sets in OWASP's password storage cheat sheet.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
NICER = 10
"""The nice value of the hashing threads, above that of the event loop: on a busy machine the loop gets more of the CPU."""


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICER)  # on Linux this applies only to the thread


_FEW = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2", initializer=_give_way)
_NOBODY = _HASHER.hash(secrets.token_urlsafe(32))


async def hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_FEW, _HASHER.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Whether the password matches. It takes equally long if there is no such member (``None``), so that the time does
    not reveal which addresses exist."""

    def verify() -> bool:
        try:
            return _HASHER.verify(stored or _NOBODY, password) and stored is not None
        except VerifyMismatchError:
            return False

    return await asyncio.get_running_loop().run_in_executor(_FEW, verify)


def secret_of(prefix: str, random: bytes) -> str:
    """A secret made of 256 random bits, so it needs no slow hash, unlike a password."""
    return f"{prefix}_{urlsafe_b64encode(random).rstrip(b'=').decode()}"


def digest(secret: str) -> str:
    """The hash that is stored in place of a random secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
