"""The HTTP shell of a service: probes, metrics, its API with tokens and problems, on uvicorn in the service's own loop."""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import Self

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Receive, Scope, Send

from varco_common.base import log, subjects
from varco_common.base.errors import TransientError, VarcoError
from varco_common.base.settings import BrokenSetting
from varco_common.base.tasks import retry_until_available, run_in_background, wait_forever
from varco_common.bus import Bus
from varco_common.bus.stream_admin import STORE_CHECK as STORE
from varco_common.events import TokenRevoked
from varco_common.runtime import problems, request_size, service
from varco_common.runtime.settings import WithApi
from varco_common.runtime.tokens import Keyring
from varco_common.storage import disk_usage

Check = Callable[[], Awaitable[None] | None]  # returns when all is well, or raises with the reason

_CHECK_SECONDS = 3.0
_CLOSE_SECONDS = 5
_REVOKED = subjects.event("policy", "token-revoked", "*")
_log = log.get(__name__)
_PROBES = ("/livez", "/readyz", "/metrics")


class HttpServer:
    """One service's HTTP side. It listens from the start, so that /livez answers while the bus is still awaited.

        async with Shell.open(settings, "policy") as shell, Bus.connect(settings.bus, "policy") as bus:
            shell.include(router)
            await shell.serve(bus, accounts=accounts.check)

    `serve` returns when it is cancelled and the requests in flight are answered.
    """

    def __init__(self, settings: WithApi, name: str) -> None:
        self.keyring = Keyring(settings.token_key)
        self.port = 0
        self._name = name
        self._home = settings.home
        self._figures: Callable[[], Awaitable[None]] = _nothing
        self._checks: dict[str, Check] = {"start": _starting}
        self._draining = service.draining()
        self._requests = _Requests(self._draining)
        self.app = self._application()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: WithApi, name: str) -> AsyncIterator[Self]:
        """Listens on VARCO_BIND and VARCO_API_PORT inside the block. Raises BrokenSetting where that can't be."""
        shell = cls(settings, name)
        listener = _listen_from(settings.bind, settings.api_port, settings.api_ports)
        shell.port = listener.getsockname()[1]
        if settings.api_port_file:
            settings.api_port_file.write_text(str(shell.port))
        server = _Server(shell.app)
        task = asyncio.create_task(server.serve(sockets=[listener]), name=f"{name} http")
        try:
            await server.up.wait()
            yield shell
        finally:
            server.should_exit = True
            await task

    def include(self, router: APIRouter) -> None:
        """Adds a service's routes; each asks for its own token (`auth.Admin`, `auth.AccountScope`)."""
        self.app.include_router(router, responses=problems.Problem)

    async def serve(self, bus: Bus, **checks: Check) -> None:
        """Ready from here on, as far as the bus and the checks are well; until cancelled, then ends what is in flight."""
        known = asyncio.Event()
        self.app.state.check_revocations = _checker(known, "the list of revoked tokens isn't read yet")
        self._checks = {
            "bus": bus.check,
            STORE: bus.admin.check_room,
            **checks,
            "tokens": self.app.state.check_revocations,
        }
        self._figures = lambda: disk_usage.measure(bus, self._home)
        async with run_in_background(self._follow_revocations(bus, known)):
            try:
                await wait_forever()
            finally:
                await self._requests.ended()

    async def _follow_revocations(self, bus: Bus, known: asyncio.Event) -> None:
        until = await retry_until_available(lambda: bus.events.last_sequence(_REVOKED))
        if not until:
            known.set()
        async with aclosing(bus.events.follow(_REVOKED, name="revocations")) as events:
            async for stored in events:
                if isinstance(stored.event, TokenRevoked):
                    self.keyring.revoke(stored.event.token)
                if stored.sequence >= until:
                    known.set()

    def _application(self) -> FastAPI:
        # /docs brings its own scripts: a closed network reaches no CDN
        app = FastAPIOffline(title=f"Varco {self._name}", version=version("varco-common"), redoc_url=None)
        app.state.keyring = self.keyring
        app.state.check_revocations = _starting
        app.add_middleware(request_size.limit_request_size)
        app.add_middleware(self._requests.middleware)
        app.add_middleware(problems.error_middleware)
        problems.install(app)
        for path, handler in (("/livez", _live), ("/readyz", self._ready), ("/metrics", self._metrics)):
            app.add_api_route(path, handler, include_in_schema=False)
        return app

    async def _metrics(self) -> Response:
        await self._figures()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def _ready(self) -> JSONResponse:
        names = list(self._checks)
        whys = await asyncio.gather(*(_why(self._checks[name]) for name in names))
        found = dict(zip(names, whys, strict=True))
        if self._draining.is_set():
            found["draining"] = "this process was told to end"
        checks = {name: {"ok": not why, **({"why": why} if why else {})} for name, why in found.items()}
        ready = not any(found.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"service": self._name, "ready": ready, "checks": checks}, status.value)


async def _live() -> dict[str, bool]:
    return {"live": True}


async def _nothing() -> None:
    """Before there is a bus there is nothing to measure."""


async def _why(check: Check) -> str:
    """Empty when all is well."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            if inspect.isawaitable(waiting := check()):
                await waiting
    except TimeoutError:
        return f"no answer in {_CHECK_SECONDS:g} s"
    except VarcoError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a broken check is an answer to the probe: not ready
        _log.exception("check failed", error=repr(error))
        return "the check failed; the error is in this service's log"
    return ""


def _starting() -> None:
    raise TransientError("starting: not caught up yet")


def _checker(done: asyncio.Event, why: str) -> Callable[[], None]:
    def check() -> None:
        if not done.is_set():
            raise TransientError(why)

    return check


@asynccontextmanager
async def listening(app: ASGIApp, bind: str, port: int, variable: str, *, most: int) -> AsyncIterator[int]:
    """A further HTTP server, open to all, beside the API; gives its port. At most `most` requests at once, then 503.

    Raises BrokenSetting, naming `variable`, where nobody can listen there.
    """
    listener = _listen(bind, port, variable)
    server = _Server(app, most)
    task = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {variable}")
    try:
        await server.up.wait()
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await task


class _Requests:
    """Counts the requests in flight, and begins no new ones once the process drains."""

    def __init__(self, draining: asyncio.Event) -> None:
        self._draining = draining
        self._none = asyncio.Event()
        self._none.set()
        self._count = 0

    async def ended(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._none.wait()

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def count(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] in _PROBES:
                return await app(scope, receive, send)
            if self._draining.is_set():
                retry = {"Retry-After": str(problems.RETRY_AFTER_SECONDS), "Connection": "close"}
                refusal = problems.problem(HTTPStatus.SERVICE_UNAVAILABLE, "This process is ending.", retry)
                return await refusal(scope, receive, send)
            with self._one():
                return await app(scope, receive, send)

        return count

    @contextmanager
    def _one(self) -> Iterator[None]:
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which is the process's and not one service's."""

    def __init__(self, app: ASGIApp, most: int | None = None) -> None:
        config = uvicorn.Config(
            app,
            limit_concurrency=most,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


def _listen_from(bind: str, first: int, count: int) -> socket.socket:
    """On the first of these ports that nobody has."""
    for port in range(first, first + count - 1):
        with suppress(BrokenSetting):
            return _listen(bind, port, "VARCO_API_PORT")
    return _listen(bind, first + count - 1, "VARCO_API_PORT")


def _listen(bind: str, port: int, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # inherited; an answer in two writes waits 40 ms else
    try:
        listener.bind((bind, port))
    except OSError as error:
        listener.close()
        why = f"a port that can be listened on at {bind} ({error.strerror})"
        raise BrokenSetting(variable, port, why) from None
    return listener
