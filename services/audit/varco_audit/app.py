"""audit, a recorder and a worker: every fact searchable, and what became of each mail told. This file only wires."""

from contextlib import AsyncExitStack

from varco_audit import api
from varco_audit.batches import BatchLimits
from varco_audit.dead_letters.commands import DeadLetters
from varco_audit.index.event_index import EventIndex
from varco_audit.index.indexer import EVERYTHING, Indexer
from varco_audit.names import NAME
from varco_audit.reconciliation.checker import BalanceChecker
from varco_audit.reconciliation.store import BalanceStore
from varco_audit.recording.mail_recorder import RECORDS, MailRecorder
from varco_audit.retention.retention_worker import LEASE, RetentionWorker
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventSearch
from varco_audit.settings import Settings
from varco_audit.trace.tracer import Tracer
from varco_audit.transparency import factory, log_verification
from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.bus import Bus
from varco_common.bus.permissions import ERASE_MAIL
from varco_common.bus.redelivery import REDELIVER
from varco_common.eventsourcing.replay.serving import ReplayServer
from varco_common.runtime import rebuild_api
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service, draining, run
from varco_common.storage import database, retention


async def serve(settings: Settings) -> None:
    """Until cancelled. Each router of `routers` and each coroutine of `work` is one thing that audit does."""
    async with AsyncExitStack() as stack:
        shell = await stack.enter_async_context(HttpServer.open(settings, NAME))
        bus = await stack.enter_async_context(Bus.connect(settings.bus, NAME))
        engine = await stack.enter_async_context(database.connect(settings.database_of(NAME), NAME))
        await database.migrate(engine, "varco_audit")
        scribe = MailRecorder(
            bus, BatchLimits(settings.record_batch, settings.batch_bytes, settings.linger.total_seconds())
        )
        index = EventIndex(engine)
        indexer = Indexer(
            bus, index, BatchLimits(settings.index_batch, settings.batch_bytes, settings.linger.total_seconds())
        )
        search = EventSearch(index)
        reader = EventReader(bus, index, search, draining())
        history, notary = await stack.enter_async_context(factory.open_transparency(bus, settings))
        janitor = await stack.enter_async_context(RetentionWorker.opened(bus, settings))
        dead = await stack.enter_async_context(DeadLetters.opened(bus, engine))
        ledger = BalanceStore(
            bus,
            engine,
            BatchLimits(settings.index_batch, settings.batch_bytes, settings.balance_linger.total_seconds()),
        )
        inspector = BalanceChecker(
            bus,
            ledger,
            lambda: scribe.recorded,
            dead.holds,
            grace=settings.balance_grace.total_seconds(),
            every=settings.balance_every.total_seconds(),
        )
        routers = (
            api.balance.router(ledger, inspector),
            api.dead_letters.router(dead),
            api.events.router(index, search, reader, scribe),
            api.traces.router(Tracer(search, reader)),
            api.proof.router(bus, history, notary),
            api.replay.router(bus, settings.voters),
        )
        work = (
            scribe.run(),
            indexer.run(),
            ledger.run(),
            inspector.run(),
            notary.run(),
            log_verification.verify_periodically(bus, history, settings.verify_every),
            janitor.run(),
        )
        shell.include(rebuild_api.router(NAME, "varco_audit.rebuild", settings))
        for router in routers:
            shell.include(router)
        async with (
            run_in_background(*work),
            ReplayServer.answering(bus, NAME, "varco_audit.replay.verdict_replay", settings),
        ):
            await shell.serve(bus, database=dead.check, index=index.check)


SERVICE = Service(
    name=NAME,
    role=("recorder", "worker"),
    settings=Settings,
    serve=serve,
    publishes=(
        subjects.event(NAME, "*", "*"),
        retention.subject("*"),
        subjects.lease(LEASE),
        *ERASE_MAIL,
        subjects.rehearse("*"),
        subjects.request("*", REDELIVER),
        subjects.rehearsal("*"),
    ),
    subscribes=(EVERYTHING, RECORDS, subjects.rehearse(NAME), subjects.rehearsal("*")),
)


def main() -> None:
    """The script `varco-audit`."""
    run(SERVICE)
