"""filelink, a voter and worker: heavy attachments become links. Also serves what the links lead to."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.bus import Bus
from varco_common.events import LinkDownloaded
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.mail.ballot import Ballot, Vote
from varco_common.runtime import rebuild_api, service
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service
from varco_common.runtime.uvicorn_server import listening
from varco_common.storage import database, retention
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore
from varco_filelink import mail_retention, metrics
from varco_filelink.api import routes
from varco_filelink.commands import SettingsCommands
from varco_filelink.conversion.converter import Converter
from varco_filelink.decide import VOTER, decide
from varco_filelink.downloads.server import DownloadServer, ReportDownload
from varco_filelink.link_store import NAME, LinkStore
from varco_filelink.link_sweeper import LinkSweeper
from varco_filelink.model import account_settings
from varco_filelink.model.account_settings import LinkSettings
from varco_filelink.model.link_state import FILTERS, Link
from varco_filelink.settings import Settings
from varco_filelink.worker import ConversionWorker

_log = log.get(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings) -> None:
    """Votes and serves downloads once it has caught up; converts as soon as the store is there as well."""
    files, bodies = ObjectStore(settings.object_store, LINKS), ObjectStore(settings.object_store, BODIES)
    try:
        async with (
            HttpServer.open(settings, NAME) as shell,
            Bus.connect(settings.bus, NAME) as bus,
            database.connect(settings.database_of(NAME), NAME) as engine,
        ):
            await database.migrate(engine, "varco_filelink")
            known = Projection.of(account_settings.PROJECTION, bus, engine, NAME)
            async with known.following(), LinkStore.open(bus, engine, files, _now) as links:
                metrics.STORED.set_function(lambda: links.stored)
                metrics.LINKS.set_function(lambda: links.live)
                desk = SettingsCommands(bus, known, _now)
                shell.include(rebuild_api.router(NAME, "varco_filelink.rebuild", settings))
                shell.include(routes.router(desk, links, settings.default_base_url))
                await mail_retention.serve(bus)
                await bus.voting.serve(VOTER, _voter(known))
                worker = ConversionWorker(
                    bus,
                    bodies,
                    Converter(files, bodies, settings.default_base_url, settings.inline),
                    links,
                    desk.get,
                    at_once=settings.conversions,
                    ack_wait=settings.ack_wait.total_seconds(),
                    grace=settings.drain.total_seconds() * 0.8,
                    now=_now,
                )
                sweeper = LinkSweeper(links, files, settings.orphan_age, _now)
                downloads = DownloadServer(
                    links, files, _teller(bus), tries=settings.tries, proxies=settings.trusted, now=_now
                )
                async with (
                    listening(
                        downloads.app,
                        settings.bind,
                        settings.links_port,
                        "VARCO_LINKS_PORT",
                        max_requests=settings.downloads,
                    ),
                    run_in_background(_with_buckets(files, bodies, worker, sweeper, settings)),
                    ReplayServer.answering(bus, NAME, "varco_filelink.replay", settings),
                ):
                    await shell.serve(bus, terms=known.check, links=links.check)
    finally:
        await files.close()
        await bodies.close()


async def _with_buckets(
    files: ObjectStore, bodies: ObjectStore, worker: ConversionWorker, sweeper: LinkSweeper, settings: Settings
) -> None:
    await retry_until_available(files.ensure)
    await retry_until_available(bodies.ensure)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(), name="conversions")
        group.create_task(sweeper.run(settings.expire, settings.sweep), name="sweeper")


def _voter(known: Projection[LinkSettings]) -> Callable[[Ballot], Vote]:
    def vote(ballot: Ballot) -> Vote:
        cast = decide(ballot, known.get(ballot.envelope.account))
        says = "convert" if cast.convert else "accept" if cast.reply.accepts else "refuse"
        metrics.VOTES.labels(says).inc()
        return replace(cast, sequence=known.sequence)

    return vote


def _teller(bus: Bus) -> ReportDownload:
    async def told(link: Link, host: str, sent: int, complete: bool) -> None:
        metrics.DOWNLOADS.labels("complete" if complete else "incomplete").inc()
        metrics.SENT.inc(sent)
        event = LinkDownloaded(
            at=_now(), account=link.account, by=NAME, link=link.link, host=host, sent=sent, complete=complete
        )
        try:
            await bus.events.append(event)
        except TransientError as error:
            _log.warning("a download was not noted", link=link.link[:8], error=str(error))

    return told


SERVICE = Service(
    name=NAME,
    role=("voter", "worker"),
    settings=Settings,
    serve=serve,
    publishes=("events.filelink.>", "mail.converted.*", subjects.rehearsal("*")),
    subscribes=(
        retention.subject(NAME),
        *account_settings.FILTERS,
        *FILTERS,
        "ballot.*",
        subjects.mail("convert", "*"),
        subjects.rehearse(NAME),
    ),
)


def main() -> None:
    """The script `varco-filelink`."""
    service.run(SERVICE)
