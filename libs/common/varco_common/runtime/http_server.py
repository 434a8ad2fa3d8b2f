"""The HTTP server of a service: probes, metrics, and its API with tokens and problem documents."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Self

from fastapi import APIRouter, FastAPI, Response
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from varco_common.base.durable_file import write_durable
from varco_common.base.tasks import run_in_background, wait_forever
from varco_common.bus import Bus
from varco_common.runtime import problems, readiness, request_size, service, token_middleware, uvicorn_server
from varco_common.runtime.earlier_tokens import EarlierTokens
from varco_common.runtime.readiness import Check, Readiness
from varco_common.runtime.request_counter import RequestCounter
from varco_common.runtime.revocations import Revocations
from varco_common.runtime.settings import WithApi
from varco_common.runtime.token_uses import TokenUses
from varco_common.runtime.tokens import Keyring
from varco_common.storage import disk_usage

_VERSION = version("varco-common")  # read before services are forked: it takes 1 MB


class HttpServer:
    """Listens from the start of the service, so that /livez answers while the bus is still away.

        async with HttpServer.open(settings, NAME) as http, Bus.connect(settings.bus, NAME) as bus:
            http.include(router)
            await http.serve(bus, accounts=accounts.check)

    `serve` returns when it is cancelled and the requests in flight are answered.
    """

    def __init__(self, name: str, keyring: Keyring, home: Path) -> None:
        self.keyring = keyring
        self.port = 0
        self._name, self._home = name, home
        self._bus: Bus | None = None
        self._readiness = Readiness(name, service.draining())
        self._requests = RequestCounter(service.draining())
        self._revocations = Revocations(keyring)
        self._token_uses = TokenUses()
        self.app = self._application()

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: WithApi, name: str) -> AsyncIterator[Self]:
        """Listens on VARCO_BIND and VARCO_API_PORT inside the block. Raises BrokenSetting."""
        server = cls(name, Keyring(settings.token_public_key), settings.home)
        listener = uvicorn_server.bound_socket(
            settings.bind, settings.api_port, "VARCO_API_PORT", ports=settings.api_ports
        )
        server.port = listener.getsockname()[1]
        if settings.api_port_file:
            write_durable(settings.api_port_file, str(server.port), 0o644)
        with server._readiness.shared():
            async with uvicorn_server.serving(server.app, listener):
                yield server

    def include(self, router: APIRouter) -> None:
        """Adds a service's routes.

        Each asks for its own token (`auth.Admin`, `auth.AccountScope`).
        """
        self.app.include_router(router, responses=problems.Problem)

    async def serve(self, bus: Bus, **checks: Check) -> None:
        """Reports ready while the bus and the checks are well.

        Until cancelled; then waits for the requests in flight.
        """
        self._bus = bus
        self.keyring.verify_earlier = EarlierTokens(bus).verify
        self._token_uses.bus = bus
        self._readiness.checks = {
            "bus": bus.check,
            "store": bus.admin.check_room,
            **checks,
            "tokens": self._revocations.check,
        }
        async with run_in_background(self._revocations.follow(bus)):
            try:
                await wait_forever()
            finally:
                await self._requests.wait_until_idle(uvicorn_server.CLOSE_SECONDS)

    def _application(self) -> FastAPI:
        # FastAPIOffline serves the scripts of /docs itself, since a closed network reaches no CDN.
        app = FastAPIOffline(title=f"Varco {self._name}", version=_VERSION, redoc_url=None)
        app.state.keyring, app.state.revocations = self.keyring, self._revocations
        app.state.token_uses = self._token_uses
        app.add_middleware(request_size.limit_request_size)
        app.add_middleware(token_middleware.end_at_revocation(self.keyring))
        app.add_middleware(token_middleware.require_token_before_body)
        app.add_middleware(self._requests.middleware)
        app.add_middleware(problems.error_middleware)
        problems.install(app)
        for path, handler in (("/livez", _live), ("/readyz", self._readiness.respond), ("/metrics", self._metrics)):
            app.add_api_route(path, handler, include_in_schema=False)
        return app

    async def _metrics(self) -> Response:
        await readiness.measure_all()
        if self._bus:
            await disk_usage.measure(self._bus, self._home)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _live() -> dict[str, bool]:
    return {"live": True}
