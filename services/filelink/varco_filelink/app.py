"""filelink, a voter and worker: turns heavy attachments into links, and serves the linked files.

Only wires.
"""

import asyncio

from varco_common.base import subjects
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.cases import mail_filters
from varco_common.runtime import service
from varco_common.runtime.key_file import key_of
from varco_common.runtime.parts import open_parts
from varco_common.runtime.readiness import degrades
from varco_common.runtime.service import Service
from varco_common.runtime.uvicorn_server import listening
from varco_common.storage import retention
from varco_common.storage.object_store import BODIES, LINKS, ObjectStore, open_store
from varco_filelink import api, mail_retention, metrics
from varco_filelink.conversion.converter import Converter
from varco_filelink.decide import VOTER
from varco_filelink.downloads.download_events import DownloadEvents
from varco_filelink.downloads.server import DownloadServer
from varco_filelink.link_addresses import LinkAddresses
from varco_filelink.link_store import NAME, LinkStore
from varco_filelink.link_sweeper import LinkSweeper
from varco_filelink.model import account_settings, link_state
from varco_filelink.settings import Settings
from varco_filelink.voter import voter
from varco_filelink.worker import ConversionWorker

MAX_DOWNLOADS = 200  # at a time; further ones are answered with 503
_KEY_REMEDY = (
    "restore it from a backup, or delete it: the links that were sent go on working, but their addresses are no longer "
    "shown"
)


async def serve(settings: Settings) -> None:
    """Runs until cancelled. Conversions begin when the object store answers."""
    addresses = LinkAddresses(key_of("VARCO_FILELINK_KEY_FILE", settings.address_key_file, _KEY_REMEDY))
    files, bodies = open_store(settings.object_store, LINKS), open_store(settings.object_store, BODIES)
    try:
        async with open_parts(settings, NAME, replay="varco_filelink.replay") as (http, bus, engine):
            accounts = Projection(account_settings.PROJECTION, bus, engine, NAME)
            texts = Projection(ACCOUNT_TEXTS, bus, engine, NAME)
            async with accounts.following(), texts.following(), LinkStore.open(bus, engine, files) as links:
                metrics.STORED.set_function(lambda: links.stored)
                metrics.LINKS.set_function(lambda: links.live)
                http.include(api.router(accounts, links, addresses, settings.default_base_url, settings.max_keep))
                await mail_retention.serve(bus)
                await bus.voting.serve(VOTER, voter(accounts, texts))
                worker = ConversionWorker(
                    bus,
                    bodies,
                    Converter(files, bodies, settings.default_base_url, addresses),
                    links,
                    accounts.get,
                    texts_of=texts.get,
                    grace=settings.drain.total_seconds() * 0.8,
                )
                downloads = DownloadServer(links, files, DownloadEvents(bus), texts.get)
                port = listening(
                    downloads.app,
                    settings.bind,
                    settings.links_port,
                    "VARCO_LINKS_PORT",
                    max_requests=MAX_DOWNLOADS,
                    proxies=settings.proxies,
                )
                async with port, run_in_background(_with_buckets(files, bodies, worker, LinkSweeper(links, files))):
                    objects = degrades(files.check, "mail with heavy attachments waits, and no file can be downloaded")
                    await http.serve(bus, terms=accounts.check, texts=texts.check, links=links.check, objects=objects)
    finally:
        await files.close()
        await bodies.close()


async def _with_buckets(
    files: ObjectStore, bodies: ObjectStore, worker: ConversionWorker, sweeper: LinkSweeper
) -> None:
    await retry_until_available(files.ensure)
    await retry_until_available(bodies.ensure)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(), name="conversions")
        group.create_task(sweeper.run(), name="sweeper")


SERVICE = Service(
    name=NAME,
    role=("voter", "worker"),
    settings=Settings,
    serve=serve,
    publishes=("events.filelink.>", "mail.converted.*", subjects.replay_frames("*")),
    subscribes=(
        retention.subject(NAME),
        *account_settings.FILTERS,
        *link_state.FILTERS,
        *ACCOUNT_TEXTS.filters,
        *mail_filters(),
        "ballot.*",
        subjects.mail("convert", "*"),
        subjects.replay_request(NAME),
    ),
)


def main() -> None:
    """The script `varco-filelink`."""
    service.run(SERVICE)
