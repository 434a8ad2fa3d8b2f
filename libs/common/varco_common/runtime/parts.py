"""What every service with tables consists of, opened in the order in which it may fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from varco_common.bus import Bus
from varco_common.eventsourcing.replay.server import ReplayServer
from varco_common.runtime import rebuild_api
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.settings import TableServiceSettings
from varco_common.storage import database


class ServiceParts(NamedTuple):
    """The HTTP API, the connection to the bus, and the service's migrated database."""

    http: HttpServer
    bus: Bus
    engine: database.AsyncEngine


@asynccontextmanager
async def open_parts(
    settings: TableServiceSettings, name: str, *, replay: str, whole_log: bool = False
) -> AsyncIterator[ServiceParts]:
    """Waits for the bus and the database; `/livez` answers meanwhile. Closes all at the end.

    `varco_<name>` has the migrations, and the projections that `POST /rebuild` builds. `replay` is
    the module that answers replay questions. With `whole_log` the service may read every event.
    """
    package = f"varco_{database.schema_of(name)}"
    async with (
        HttpServer.open(settings, name) as http,
        Bus.connect(settings.bus, name, whole_log=whole_log) as bus,
        database.connect(settings.database_of(name), name) as engine,
    ):
        await database.migrate(engine, package)
        http.include(rebuild_api.router(name, f"{package}.rebuild", settings))
        async with ReplayServer.answering(bus, name, replay, settings):
            yield ServiceParts(http, bus, engine)
