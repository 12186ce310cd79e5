"""The child process that learns and ranks (`work` is its other side), and the questions that it answers.

A question and its answer are MessagePack after a length, over the child's stdin and stdout. When this process dies for
any reason, the child reads the end of its input and ends too.
"""

import asyncio
import datetime as dt
import subprocess
import sys
from typing import IO, TypeVar

import msgspec

from infra.config import PROJECT
from recommender import Award, ModelDecision, ModelFigures, NewSupplierFigures, Opportunity, Scored, SupplierProfile

LENGTH = 8


class EngineFailed(RuntimeError):
    """The child could not answer, or has ended; the next question starts a new one."""

    code = "engine-failed"


class Learn(msgspec.Struct, frozen=True, tag=True):
    """From now on, use the ranker of this model (None: the plain evidence) over these awards."""

    model: bytes | None
    awards: list[Award]
    now: dt.date


class Advise(msgspec.Struct, frozen=True, tag=True):
    """Choose ``k`` purchases for each supplier, except those with ids in ``without``, and with few of one buyer; and
    ``k`` suppliers of the history for each purchase in ``invite``."""

    suppliers: list[SupplierProfile]
    opportunities: list[Opportunity]
    invite: list[Opportunity]
    k: int
    without: dict[str, list[str]] = {}


class Train(msgspec.Struct, frozen=True, tag=True):
    awards: list[Award]
    now: dt.date
    incumbent: bytes | None


class Learnt(msgspec.Struct, frozen=True, tag=True):
    awards: int


class Fit(msgspec.Struct, frozen=True):
    """A purchase that fits a supplier, with ``reasons`` in words, strongest first."""

    opportunity_id: str
    score: float
    reasons: tuple[str, ...]


class Advice(msgspec.Struct, frozen=True, tag=True):
    """The answer to Advise: purchases by supplier, and suppliers by opportunity."""

    fits: dict[str, list[Fit]]
    invitees: dict[str, list[Scored]]


class Trained(msgspec.Struct, frozen=True, tag=True):
    """The answer to a training. ``model`` is the one to use from now on: the new one, or the incumbent's ranker over
    the newer history."""

    model: bytes
    decision: ModelDecision
    figures: ModelFigures
    new_suppliers: NewSupplierFigures
    suppliers: int
    seconds: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    traceback: str


Question = Learn | Advise | Train
Answer = Learnt | Advice | Trained | Failed
A = TypeVar("A", Learnt, Advice, Trained)


class Engine:
    """One child process, which is started at the first question and gets one question at a time. ``knows`` identifies
    what it last learned."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = asyncio.Lock()
        self.knows: object = None

    async def learn(self, question: Learn, name: object) -> None:
        await self._ask(question, Learnt)
        self.knows = name

    async def advise(self, question: Advise) -> Advice:
        return await self._ask(question, Advice)

    async def train(self, question: Train) -> Trained:
        return await self._ask(question, Trained)

    def close(self) -> None:
        """End the child, whatever it is doing. What it has learned is lost."""
        child, self._child, self.knows = self._child, None, None
        if child is not None:
            child.kill()
            child.wait()

    async def _ask(self, question: Question, kind: type[A]) -> A:
        """Ask the child. Raise EngineFailed, also for an answer of another type."""
        async with self._one_at_a_time:
            child = self._child = self._child or _start()
            try:
                data = await asyncio.to_thread(_exchange, child, msgspec.msgpack.encode(question))
            # the answer to a cancelled question would stay in the pipe: this child cannot be used any more
            except BaseException:
                self.close()
                raise
        answer: Answer = msgspec.msgpack.decode(data, type=Answer)
        if isinstance(answer, kind):
            return answer
        raise EngineFailed(answer.traceback if isinstance(answer, Failed) else f"it answered {type(answer).__name__}")


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.recommender.work"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT)


def _exchange(child: subprocess.Popen[bytes], data: bytes) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        write(child.stdin, data)
        answer = read(child.stdout)
    except OSError as error:
        raise EngineFailed(f"the recommender's child process is gone: {error}") from error
    if answer is None:
        raise EngineFailed("the recommender's child process ended without an answer")
    return answer


def write(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH, "big") + data)
    stream.flush()


def read(stream: IO[bytes]) -> bytes | None:
    """Read one message; None at the end of the stream."""
    head = stream.read(LENGTH)
    if len(head) < LENGTH:
        return None
    length = int.from_bytes(head, "big")
    data = stream.read(length)
    return data if len(data) == length else None
