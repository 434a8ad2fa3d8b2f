"""audit, a recorder and a worker: each event searchable, each mail traced. Only wiring."""

from contextlib import AsyncExitStack
from datetime import timedelta

from varco_audit import api, metrics
from varco_audit.batches import BatchLimits
from varco_audit.dead_letters.operations import DeadLetters
from varco_audit.index import packed_events
from varco_audit.index.event_index import EventIndex
from varco_audit.index.expiry import delete_expired_rows
from varco_audit.index.mail_texts import MailTexts
from varco_audit.index.subject_index import SubjectIndex
from varco_audit.names import NAME
from varco_audit.reconciliation.checker import BalanceChecker
from varco_audit.reconciliation.store import BalanceStore
from varco_audit.recording.mail_recorder import MailRecorder
from varco_audit.recording.recorded_position import RECORDS
from varco_audit.replay.replay_turns import ReplayTurns
from varco_audit.retention.retention_worker import LEASE, RetentionWorker
from varco_audit.search.event_reader import EventReader
from varco_audit.search.event_search import EventSearch
from varco_audit.search.mail_finder import MailFinder
from varco_audit.settings import Settings
from varco_audit.stream_feed import event_feed, mail_feed
from varco_audit.table_projection import ALL_EVENTS, TableProjection
from varco_audit.trace.tracer import Tracer
from varco_audit.transparency.factory import open_transparency
from varco_audit.transparency.log_verification import verify_periodically
from varco_common.base import subjects
from varco_common.base.tasks import run_in_background
from varco_common.bus.permissions import ERASE_MAIL
from varco_common.bus.redelivery import REDELIVER
from varco_common.mail.route_question import ROUTES
from varco_common.runtime.parts import open_parts
from varco_common.runtime.service import Service, draining, run
from varco_common.storage import retention

REPLAY = "varco_audit.replay.verdict_replay"
# How often the whole log is compared with the last checkpoint: 10 s of CPU for a million events.
VERIFY_EVERY = timedelta(days=1)


async def serve(settings: Settings) -> None:
    """Runs until cancelled. Each router and each coroutine of `work` is one task of audit."""
    async with AsyncExitStack() as stack:
        parts = open_parts(settings, NAME, replay=REPLAY, whole_log=True)
        server, bus, engine = await stack.enter_async_context(parts)
        recorder = MailRecorder(bus)
        index = EventIndex(bus, engine)
        metrics.INDEX_PENDING.set_function(lambda: index.pending)
        metrics.INDEX_LAG.set_function(index.lag)
        subject_index = SubjectIndex(bus, engine, BatchLimits())
        mail_texts, search = MailTexts(bus, engine, BatchLimits()), EventSearch(index)
        packed = packed_events.PackedEvents(bus, engine, packed_events.LIMITS)
        reader = EventReader(bus, index, search, packed, draining())
        history, signer = await stack.enter_async_context(open_transparency(bus, settings))
        retention_worker = await stack.enter_async_context(RetentionWorker.opened(bus, settings))
        dead_letters = await stack.enter_async_context(DeadLetters.opened(bus, engine))
        balance, turns = BalanceStore(bus, engine), ReplayTurns()
        events, mail = event_feed(bus), mail_feed(bus)
        tables: tuple[TableProjection, ...] = (index, packed, subject_index, mail_texts, balance)
        for table in tables:
            table.follow = events.follow
        recorder.follow = retention_worker.follow = mail.follow
        checker = BalanceChecker(bus, balance, dead_letters.contains)
        for router in (
            api.balance.router(balance, checker),
            api.dead_letters.router(dead_letters),
            api.events.router(index, reader, recorder),
            api.traces.router(Tracer(reader, subject_index), MailFinder(reader, search, mail_texts)),
            api.proof.router(bus, history, signer),
            api.replay.router(bus, settings.voters, turns),
            api.changes.router(bus, turns),
        ):
            server.include(router)
        work = (
            events.run(),
            mail.run(),
            recorder.run(),
            *(table.run() for table in tables),
            checker.run(),
            signer.run(),
            verify_periodically(bus, history, VERIFY_EVERY),
            retention_worker.run(),
            delete_expired_rows(bus, engine),
        )
        await stack.enter_async_context(run_in_background(*work))
        await server.serve(bus, database=dead_letters.check, index=index.check)


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
        subjects.replay_request("*"),
        subjects.request("*", REDELIVER),
        ROUTES,
        subjects.replay_frames("*"),
    ),
    subscribes=(ALL_EVENTS, RECORDS, subjects.replay_request(NAME), subjects.replay_frames("*")),
)


def main() -> None:
    """The script `varco-audit`."""
    run(SERVICE)
