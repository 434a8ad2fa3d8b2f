"""ratelimit, a voter: has this sender sent too much already? Counts from stream MAIL itself."""

import asyncio
from functools import partial
from time import time

from varco_common.base import subjects
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_common.eventsourcing.replay.server import ReplayServer
from varco_common.runtime import rebuild_api, service
from varco_common.runtime.http_server import HttpServer
from varco_common.runtime.service import Service
from varco_common.storage import database
from varco_ratelimit import metrics, store
from varco_ratelimit.api import routes
from varco_ratelimit.api.usage import UsageReader
from varco_ratelimit.counters import QuotaCounters
from varco_ratelimit.decide import VOTER
from varco_ratelimit.known_recipients import KnownRecipients
from varco_ratelimit.mail_counter import ACCEPTED, RECORDED, REFUSED, MailCounter
from varco_ratelimit.model import FILTERS, QUOTAS
from varco_ratelimit.partition_owner import PartitionOwner
from varco_ratelimit.reservation_log import ReservationLog
from varco_ratelimit.settings import Settings
from varco_ratelimit.voter import AlertPublisher, Voter

ALL = subjects.event(VOTER, "*", "*")
FORGET_SECONDS = 300.0


def now() -> int:
    """Milliseconds since 1970."""
    return int(time() * 1000)


async def serve(settings: Settings) -> None:
    """Votes on its partitions once it knows every mail that counts there; until then its vote is 451."""
    lapse = int(settings.lapse.total_seconds() * 1000)
    with ReservationLog.open(settings.journal, lapse) as journal:
        async with (
            HttpServer.open(settings, VOTER) as shell,
            Bus.connect(settings.bus, VOTER) as bus,
            database.connect(settings.database_of(VOTER), VOTER) as engine,
        ):
            await database.migrate(engine, "varco_ratelimit")
            book, memory = QuotaCounters(lapse), KnownRecipients()
            book.restore(journal.found, now())
            counter = MailCounter(bus, book, memory)
            _, newest = await retry_until_available(bus.mail.bounds)
            loaded = await store.load(engine, book, memory, newest, now())
            quotas = Projection(QUOTAS, bus, engine, VOTER)
            holder = PartitionOwner(
                bus,
                book,
                counter,
                journal,
                lease=settings.lease.total_seconds(),
                settle=settings.settle.total_seconds(),
            )
            speaker = AlertPublisher(bus, quotas)
            metrics.SENDERS.set_function(lambda: sum(len(one.senders) for one in book.ledgers.values()))
            metrics.PAIRS.set_function(lambda: len(memory))
            shell.include(rebuild_api.router(VOTER, "varco_ratelimit.rebuild", settings))
            shell.include(routes.router(quotas, UsageReader(bus, quotas, book, partial(store.ids, engine))))
            oldest = min((one.at for one in book.reservations()), default=now())
            voter = Voter(
                quotas=quotas, book=book, memory=memory, journal=journal, holder=holder, speaker=speaker, now=now
            )
            async with (
                quotas.following(),
                run_in_background(
                    counter.follow(loaded.sequence, loaded.at),
                    counter.follow_refusals(oldest),
                    holder.run(voter),
                    store.save_periodically(engine, counter, memory),
                    _forget(book),
                ),
            ):
                try:
                    async with ReplayServer.answering(bus, VOTER, "varco_ratelimit.replay", settings):
                        await shell.serve(bus, quotas=quotas.check, partitions=holder.check)
                finally:
                    await speaker.ended()


async def _forget(book: QuotaCounters) -> None:
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        for _ in book.forget(now()):
            await asyncio.sleep(0)


SERVICE = Service(
    name=VOTER,
    role=("voter",),
    settings=Settings,
    serve=serve,
    publishes=(ALL, subjects.lease(VOTER), subjects.replay_frames("*")),
    subscribes=(*FILTERS, REFUSED, RECORDED, subjects.ballot("*"), *ACCEPTED, subjects.replay_request(VOTER)),
)


def main() -> None:
    """`varco-ratelimit`: this service alone."""
    service.run(SERVICE)
