import json
from collections.abc import Callable

import httpx
import pytest

from services.demonstration.client import CallRefused, Client, NotAnswered, when_heard

Answers = Callable[[httpx.Request], httpx.Response]


def client(answer: Answers, patience: float = 5) -> Client:
    http = httpx.AsyncClient(base_url="http://market", transport=httpx.MockTransport(answer))
    return Client(http, patience)


def refusal(rule: str) -> httpx.Response:
    problem = {"status": 422, "rule": rule, "field": "amount", "detail": "Too dear."}
    return httpx.Response(422, json=problem, headers={"content-type": "application/problem+json"})


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.demonstration.client.PAUSE", 0.01)


async def test_a_refusal_names_its_rule_and_field() -> None:
    with pytest.raises(CallRefused) as refused:
        await client(lambda _: refusal("not-lower")).post("/api/x", {})
    assert (refused.value.status, refused.value.rule, refused.value.field) == (422, "not-lower", "amount")
    assert "Too dear." in str(refused.value)


async def test_a_write_is_sent_again_with_its_key_until_the_server_is_back() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(503) if len(keys) == 2 else httpx.Response(201, json={"made": True})

    assert await client(answer).post("/api/x", {}) == {"made": True}
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_two_wishes_have_two_keys() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        return httpx.Response(204)

    visitor = client(answer)
    await visitor.post("/api/x")
    await visitor.post("/api/x")
    assert keys[0] != keys[1]


async def test_patience_ends() -> None:
    with pytest.raises(NotAnswered, match="POST /api/x"):
        await client(lambda _: httpx.Response(503), patience=0.1).post("/api/x")


async def test_what_is_not_known_yet_is_asked_again_and_a_true_refusal_is_not() -> None:
    rules = iter(("not-a-supplier", "sku-not-published", ""))
    heard = client(lambda _: refusal(rule) if (rule := next(rules)) else httpx.Response(200, json=1))
    assert await when_heard(lambda: heard.post("/api/x")) == 1

    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.url.path)
        return refusal("price-not-positive")

    with pytest.raises(CallRefused):
        await when_heard(lambda: client(answer).post("/api/x"))
    assert len(calls) == 1


async def test_login_gives_a_client_of_that_member() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/login":
            assert json.loads(request.content) == {"email": "a@demo.example", "password": "secret"}
            return httpx.Response(200, json={"token": "t"})
        return httpx.Response(200, json={"organisation_id": "o", "bearer": request.headers.get("authorization")})

    member = await client(answer).login("a@demo.example", "secret")
    assert member.me == {"organisation_id": "o", "bearer": "Bearer t"}
