"""Makes and checks argon2id hashes of passwords. Each hash costs 19 MiB and 25 ms, so that guessing is slow. The process
computes only two at a time, so that other requests are still answered."""

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


def _lower_priority() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICER)  # on Linux this applies only to the thread


_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2", initializer=_lower_priority)
_HASH_OF_NOBODY = _HASHER.hash(secrets.token_urlsafe(32))
"""A hash that no password matches. It is checked if there is no member."""


async def hashed(password: str) -> str:
    """Return the hash of the password, with its salt and parameters."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


async def matches(password: str, stored: str | None) -> bool:
    """Return whether the password matches the hash that is ``stored``. If that is None (there is no such member), the
    answer is False and takes equally long, so that the time does not reveal which addresses exist."""

    def verify() -> bool:
        try:
            return _HASHER.verify(stored or _HASH_OF_NOBODY, password) and stored is not None
        except VerifyMismatchError:
            return False

    return await asyncio.get_running_loop().run_in_executor(_THREADS, verify)


def secret_of(prefix: str, random: bytes) -> str:
    """Return a secret made of ``random``, which has 256 random bits: nobody can guess it, so that, unlike a password, it
    needs no slow hash. The ``prefix`` says what the secret is for."""
    return f"{prefix}_{urlsafe_b64encode(random).rstrip(b'=').decode()}"


def digest(secret: str) -> str:
    """Return the hash that is stored in place of a secret of :func:`secret_of`."""
    return hashlib.sha256(secret.encode()).hexdigest()
