"""uvicorn in the event loop of a service, on a socket that the service binds itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from varco_common.base.settings import BrokenSetting
from varco_common.runtime.http_connections import READ_SECONDS, Connections, RequestLimit

CLOSE_SECONDS = 5  # how long requests in flight may go on at the end


@asynccontextmanager
async def listening(
    app: ASGIApp, bind: str, port: int, variable: str, *, max_requests: int, proxies: Sequence[str] = ()
) -> AsyncIterator[int]:
    """A further HTTP server beside the API, inside the block. Yields its port.

    Answers 503 while `max_requests` requests are in flight, or half of them from the client's host.
    `proxies` are the addresses and networks whose X-Forwarded-For gives the client's address.
    Raises BrokenSetting, which names `variable`, if the port can't be used.
    """
    listener = bound_socket(bind, port, variable)
    connections = Connections(read_seconds=READ_SECONDS)
    async with serving(app, listener, max_requests=max_requests, proxies=proxies, connections=connections):
        yield int(listener.getsockname()[1])


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    max_requests: int | None = None,
    proxies: Sequence[str] = (),
    connections: Connections | None = None,
) -> AsyncIterator[None]:
    """Serves the application on the socket inside the block."""
    connections = connections or Connections()
    server = _Server(
        uvicorn.Config(
            RequestLimit(app, max_requests, connections) if max_requests else app,
            http=connections.protocol(),  # uvicorn's own limit counts idle connections as requests
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {listener.getsockname()}")
    try:
        await server.started_up.wait()
        yield
    finally:
        server.should_exit = True
        await task


def bound_socket(bind: str, port: int, variable: str, *, ports: int = 1) -> socket.socket:
    """A socket on the first free one of `ports` ports from `port` upwards.

    Raises BrokenSetting, which names `variable`, if none can be used.
    """
    for number in range(port, port + ports):
        try:
            return _bind(bind, number)
        except OSError as error:
            reason = error.strerror
    raise BrokenSetting(variable, number, f"a port that can be listened on at {bind} ({reason})")


def _bind(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it a response in two writes waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    """uvicorn without signal handlers, since a process may run several servers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.started_up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_up.set()
