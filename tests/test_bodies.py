"""No code holds a database connection while it waits for a body: there are only twenty, and a body may take a
minute."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import post

from infra.ids import new_id
from infra.web import MEMBERS, FromKeyed
from tests.infra.test_http_limits import serving
from tests.infra.test_web_safety import a_session
from tests.names import nodes, parsed

PROJECT = Path(__file__).parent.parent
READERS = {"form_fields", "form_list"}
OF_A_REQUEST = {"body", "form", "json", "stream", "msgpack"}
HOLDS = {"transaction", "acquire"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_body_is_read_before_a_connection_is_taken() -> None:
    files = [path for room in ("infra/web", "services") for path in sorted((PROJECT / room).rglob("*.py"))]
    read = {str(path.relative_to(PROJECT)): path.read_text() for path in files}
    assert sum("form_fields(request)" in text for text in read.values()) > 20
    assert [f"{path}:{line}" for path, text in read.items() for line in held(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "async def page(request):\n async with resources.database.transaction('x') as tx:\n  await form_fields(request)",
        "async def page(request):\n async with pool.acquire() as db:\n  act(await request.form())",
        "async def act(tx, request):\n return await request.json()",
        "async def fields(request):\n return await form_list(request)\n"
        "async def page(request):\n async with transaction('x') as tx:\n  await fields(request)",
    ],
)
def test_a_body_read_in_a_transaction_is_found(text: str) -> None:
    assert len(list(held(text))) == 1


def held(text: str) -> Iterator[int]:
    """Lines that read a body inside a transaction, or in a function that is given one; calls of functions in the same
    file are followed."""
    tree = parsed(text)
    functions = list(nodes(tree, ast.FunctionDef, ast.AsyncFunctionDef))
    called = {each: _calls(each) for each in functions}
    readers, more = set(READERS), set(READERS)
    while more:
        more = {each.name for each in functions if any(_reads(node, readers) for node in called[each])} - readers
        readers |= more
    held_in = [called[each] for each in functions if _is_given(each)]
    held_in += [_calls(each) for each in nodes(tree, ast.AsyncWith) if _holds(each)]
    yield from sorted({each.lineno for calls in held_in for each in calls if _reads(each, readers)})


def _calls(within: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(within) if isinstance(node, ast.Call)]


def _reads(node: ast.Call, readers: set[str]) -> bool:
    name, of = _name(node.func), node.func.value if isinstance(node.func, ast.Attribute) else None
    if of is not None and name in OF_A_REQUEST:
        return _name(of) == "request"
    return name in readers and (of is None or _name(of) == "self")


def _holds(node: ast.AsyncWith) -> bool:
    opened = [item.context_expr for item in node.items]
    return any(isinstance(each, ast.Call) and _name(each.func) in HOLDS for each in opened)


def _is_given(node: Function) -> bool:
    return any(each.arg == "tx" for each in [*node.args.args, *node.args.kwonlyargs])


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


begun: list[object] = []


@post("/api/keyed", opt=MEMBERS, status_code=200)
async def keyed_route(keyed: FromKeyed) -> str:
    begun.append(keyed.body)
    return "done"


@pytest.mark.servers
async def test_a_keyed_route_begins_when_its_body_has_come(tmp_path: Path) -> None:
    begun.clear()
    async with serving(tmp_path, keyed_route) as (client, connect):
        reader, writer = await connect()
        head = f"POST /api/keyed HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {a_session(tmp_path)}\r\ncontent-length: 7\r\n"
        writer.write(f"{head}idempotency-key: {new_id()}\r\n\r\n".encode())
        await writer.drain()
        for _ in range(5):
            await client.get("/health")
        assert begun == [], "the body is still to come"
        writer.write(b'{"a":1}')
        assert b" 200 " in await reader.readline() and begun == [{"a": 1}]
        writer.close()
