"""Schemathesis on every operation of the API's document, in every role: with requests that fit the document, and
requests that break it."""

import asyncio
import time
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode

from tests.fuzz.conftest import READERS
from tests.fuzz.test_fuzz import MOST_BYTES, MOST_SECONDS, ids
from tests.market import Market
from tests.test_openapi import DOCUMENT

EXAMPLES = 2
"""The number of examples: each takes four times as long as one of our own."""


@pytest.mark.parametrize("reader", READERS)
async def test_whatever_schemathesis_makes_of_the_document_is_answered(
    demo: Market, tokens: dict[str, str], pytestconfig: pytest.Config, reader: str
) -> None:
    headers = {"authorization": f"Bearer {tokens[reader]}"} if reader else {}
    known = {name: found[0] for name, found in (await ids(demo)).items() if found}
    # The market runs in this thread's loop, and the requests are sent from another.
    wrong = await asyncio.to_thread(sent, demo.url, headers, known, pytestconfig.getoption("--examples") or EXAMPLES)
    assert not wrong, "\n".join(wrong)


def sent(url: str, headers: dict[str, str], known: dict[str, str], examples: int) -> list[str]:
    """The first fault of each operation and mode. Requests that fit the document use ``known`` ids."""
    wrong = []
    operations = [found.ok() for found in schemathesis.openapi.from_url(url + DOCUMENT).get_all_operations()]
    assert len(operations) > 100
    with requests.Session() as session:
        for operation in operations:
            for mode in GenerationMode:
                fits = mode is GenerationMode.POSITIVE
                there = {name: known[name] for name in known if fits and f"{{{name}}}" in operation.path}
                cases = operation.as_strategy(generation_mode=mode, path_parameters=there or None)
                # An operation without input cannot be sent wrong input.
                with nullcontext() if fits else suppress(Unsatisfiable):
                    if fault := first_fault(cases, session, headers, examples):
                        wrong.append(f"{operation.label} ({mode.value}): {fault}")
    return wrong


def first_fault(cases: SearchStrategy[Any], session: requests.Session, headers: dict[str, str], examples: int) -> str:
    """The first fault in the answers, or "". Raise Unsatisfiable if no request can be made."""
    found: list[str] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def one(case: Any) -> None:
        if not found and (fault := tried(case, session, headers)):
            found.append(fault)

    one()
    return "".join(found)


def tried(case: Any, session: requests.Session, headers: dict[str, str]) -> str:
    """What is wrong with the answer, "" for nothing. The CPU time is that of the better of two tries, because other
    work of the market runs in the same process."""
    answer, spent = _timed(case, session, headers)
    if spent > MOST_SECONDS:
        spent = min(spent, _timed(case, session, headers)[1])
    about = f"{case.formatted_path} {str(case.query)[:300]} {str(case.body)[:500]}"
    if answer.status_code >= 500:
        return f"{answer.status_code} for {about}: {answer.text[:300]}"
    if spent > MOST_SECONDS or len(answer.content) > MOST_BYTES:
        return f"{spent:.1f} s, {len(answer.content):,} bytes for {about}"
    return ""


def _timed(case: Any, session: requests.Session, headers: dict[str, str]) -> tuple[Any, float]:
    began = time.process_time()
    answer = case.call(session=session, headers=headers, timeout=60)
    return answer, time.process_time() - began
