"""archive, a worker: a blind copy of all mail, in a POP3 mailbox or forwarded. This file only wires."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from varco_archive.accounts import NAME, ArchiveAccounts
from varco_archive.api import routes
from varco_archive.body_reader import BodyReader
from varco_archive.copy_deletion import CopyDeletion
from varco_archive.copy_index import CopyIndex
from varco_archive.copy_indexer import FILTERS as RECORDS
from varco_archive.copy_indexer import FORWARDED, CopyIndexer
from varco_archive.copy_service import CopyService
from varco_archive.forwarder import RELAY_FAILURES, Forwarder
from varco_archive.mail_retention import MailRetention
from varco_archive.maildrop_locks import MaildropLocks
from varco_archive.model import FILTERS
from varco_archive.pop3.server import Pop3Server
from varco_archive.retention_sweeper import RetentionSweeper
from varco_archive.settings import Settings
from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.events.ban_table import ENFORCED, ENFORCER_STATUS, BanTable
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.runtime import rebuild_api
from varco_common.runtime.ban_enforcement import BanEnforcement
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.login_throttle import GUARDED
from varco_common.runtime.passwords import Argon2, PasswordVerifier
from varco_common.runtime.service import Service, run
from varco_common.runtime.tls import Certificates
from varco_common.storage import database, retention
from varco_common.storage.object_store import ObjectStore

HASHED_AT_ONCE, MOST_HASHES = 2, 24  # threads, and passwords in all that wait for them


async def serve(settings: Settings) -> None:
    """Until cancelled; sessions then end, and remove nothing that QUIT didn't."""
    certificates = Certificates(
        settings.home / "tls", settings.certificates, settings.hostname, variable="VARCO_ARCHIVE_CERTIFICATES"
    )
    async with AsyncExitStack() as stack:
        shell = await stack.enter_async_context(HttpServer.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        engine = await stack.enter_async_context(database.connect(settings.database_of(NAME), NAME))
        hashes = Argon2(settings.argon2_memory_kib)
        passwords = await stack.enter_async_context(PasswordVerifier.open(hashes, HASHED_AT_ONCE, MOST_HASHES))
        await database.migrate(engine, "varco_archive")
        blobs = ObjectStore(settings.object_store)
        stack.push_async_callback(blobs.close)
        accounts = await stack.enter_async_context(ArchiveAccounts.open(bus, engine))
        parts = _parts(settings, bus, engine, accounts, passwords=passwords, bodies=BodyReader(bus, blobs))
        collector, forwarder = _workers(parts)
        server = _server(parts, certificates)
        shell.include(rebuild_api.router(NAME, "varco_archive.rebuild", settings))
        shell.include(routes.router(_desk(parts)))
        await parts.removals.catch_up()
        await MailRetention(bus, parts.index).serve(NAME)
        enforcing = BanEnforcement(bus, server.bans, NAME, "closes at accept", heard=server.heard, also=(GUARDED,))
        sweeping = parts.sweeper.run(settings.sweep)
        async with run_in_background(collector.run(), forwarder.run(), forwarder.hear(), sweeping, enforcing.run()):
            await enforcing.caught_up.wait()
            async with server.listening(), ReplayServer.answering(bus, NAME, "varco_archive.replay", settings):
                await shell.serve(bus, accounts=accounts.check)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What most of it works with."""

    settings: Settings
    bus: Bus
    accounts: ArchiveAccounts
    passwords: PasswordVerifier
    index: CopyIndex
    bodies: BodyReader
    drops: MaildropLocks
    removals: CopyDeletion
    sweeper: RetentionSweeper


def _parts(settings: Settings, bus: Bus, engine: AsyncEngine, accounts: ArchiveAccounts, **more: Any) -> Parts:
    index, drops = CopyIndex(engine), MaildropLocks()
    removals = CopyDeletion(bus, index)
    sweeper = RetentionSweeper(index, removals, drops, accounts.get, timedelta(days=settings.mail_days))
    return Parts(
        settings=settings,
        bus=bus,
        accounts=accounts,
        index=index,
        drops=drops,
        removals=removals,
        sweeper=sweeper,
        **more,
    )


def _workers(parts: Parts) -> tuple[CopyIndexer, Forwarder]:
    settings = parts.settings
    collector = CopyIndexer(
        parts.bus,
        parts.index,
        parts.accounts.get,
        batch=settings.batch,
        max_bytes=settings.batch_bytes,
        ack_wait=settings.ack_wait,
    )
    forwarder = Forwarder(
        parts.bus,
        parts.index,
        parts.bodies,
        collector,
        state=parts.accounts.get,
        return_path=settings.return_path,
        reporter=settings.hostname,
    )
    return collector, forwarder


def _server(parts: Parts, certificates: Certificates) -> Pop3Server:
    return Pop3Server(
        parts.settings,
        parts.bus,
        parts.index,
        parts.bodies,
        passwords=parts.passwords,
        removals=parts.removals,
        sweeper=parts.sweeper,
        drops=parts.drops,
        bans=BanTable(),
        state=parts.accounts.get,
        by_login=parts.accounts.by_login,
        certificates=certificates,
    )


def _desk(parts: Parts) -> CopyService:
    return CopyService(
        parts.bus,
        parts.accounts,
        parts.index,
        parts.bodies,
        passwords=parts.passwords,
        drops=parts.drops,
        removals=parts.removals,
        sweeper=parts.sweeper,
        longest=timedelta(days=parts.settings.mail_days),
    )


SERVICE = Service(
    name=NAME,
    role=("worker",),
    settings=Settings,
    serve=serve,
    publishes=("events.archive.>", "mail.copy.*", subjects.rehearsal("*")),
    subscribes=(
        retention.subject(NAME),
        *FILTERS,
        subjects.event(NAME, "copy-removed", "*"),
        FORWARDED,
        *RELAY_FAILURES,
        *RECORDS,
        *ENFORCED,
        GUARDED,
        ENFORCER_STATUS,
        subjects.rehearse(NAME),
    ),
)


def main() -> None:
    """The script `varco-archive`."""
    run(SERVICE)
