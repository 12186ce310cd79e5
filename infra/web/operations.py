"""The operations port of a process without pages: its health and its figures, for callers on this machine."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from litestar import Litestar

from infra.config import BadSetting, Config
from infra.embedded.ports import remembered_port
from infra.operations import processes
from infra.operations.figures import Observer
from infra.service import Resources
from infra.web.health import health_routes

log = logging.getLogger(__name__)


class OperationsServer(uvicorn.Server):
    """A server that runs beside other work, which handles signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def observed(
    resources: Resources, bootstrap: str, kind: str, reads: Mapping[str, Iterable[str]]
) -> AsyncIterator[None]:
    """Serve health and figures, and report this process and the topics that it reads, by consumer group, for as long as the block
    runs."""
    with listen(resources.config, kind) as listener:
        port: int = listener.getsockname()[1]
        observer = Observer(resources.database.pool, bootstrap)
        app = Litestar(
            health_routes(observer, resources.config, processes.process_name(kind, port)),
            openapi_config=None,
            logging_config=None,
        )
        server = OperationsServer(
            uvicorn.Config(app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
        )
        log.info("health and figures of this %s: http://127.0.0.1:%d", kind, port)
        serving = asyncio.create_task(server.serve([listener]), name="operations port")
        try:
            async with processes.reporting(resources.database, kind, port, reads):
                yield
        finally:
            server.should_exit = True
            await serving
            await observer.close()


def listen(config: Config, kind: str) -> socket.socket:
    if config.operations_port is not None:
        port = config.operations_port + (kind == "streams")
        try:
            return _listener(port)
        except OSError as error:
            raise BadSetting("LONJA_OPERATIONS_PORT", str(port), f"must be free: {error}") from error
    try:
        return _listener(remembered_port(config.home, f"{kind}-operations"))
    except OSError:  # the port is used by another process of this kind in this home
        return _listener(0)


def _listener(port: int) -> socket.socket:
    """A listening socket. It listens at once, because two sockets that are only bound may have the same port."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
