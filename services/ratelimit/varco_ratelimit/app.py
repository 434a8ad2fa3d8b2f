"""ratelimit, a voter.

Has this sender sent too much already? It counts the mails in stream MAIL itself.
"""

import asyncio
from functools import partial
from time import time

from varco_common.base import subjects
from varco_common.base.tasks import retry_until_available, run_in_background
from varco_common.eventsourcing.account_texts import ACCOUNT_TEXTS
from varco_common.eventsourcing.projection import Projection
from varco_common.runtime import service
from varco_common.runtime.parts import open_parts
from varco_common.runtime.service import Service
from varco_ratelimit import counted_mail_store, metrics
from varco_ratelimit.alerts import AlertPublisher
from varco_ratelimit.api import routes
from varco_ratelimit.api.sender_usage import UsageReader
from varco_ratelimit.counters import QuotaCounters
from varco_ratelimit.decide import VOTER
from varco_ratelimit.known_recipients import KnownRecipients
from varco_ratelimit.mail_counter import ACCEPTED, RECORDED, REFUSED, MailCounter
from varco_ratelimit.model import FILTERS, QUOTAS
from varco_ratelimit.partition_owner import PartitionOwner
from varco_ratelimit.reservation_log import ReservationLog
from varco_ratelimit.settings import Settings
from varco_ratelimit.voter import Voter

LAPSE_SECONDS = 120.0  # a reservation ends then; ingress stores the largest mail in less
LEASE_SECONDS = 5.0  # a process that dies leaves its partitions without votes for this time and two seconds
_FORGET_SECONDS = 300.0  # between two sweeps over all senders; they only free memory

ALL = subjects.event(VOTER, "*", "*")


def now() -> int:
    """Milliseconds since 1970."""
    return int(time() * 1000)


async def serve(settings: Settings) -> None:
    """Votes on its partitions once it knows every mail that counts there.

    Until then its vote is 451.
    """
    lapse = int(LAPSE_SECONDS * 1000)
    with ReservationLog.open(settings.reservation_directory, lapse) as reservation_log:
        async with open_parts(settings, VOTER, replay="varco_ratelimit.replay") as (server, bus, engine):
            counters, known = QuotaCounters(lapse), KnownRecipients()
            counters.restore(reservation_log.found, now())
            counter = MailCounter(bus, counters, known)
            _, newest = await retry_until_available(bus.mail.bounds)
            loaded = await counted_mail_store.load(engine, counters, known, newest, now())
            quotas = Projection(QUOTAS, bus, engine, VOTER)
            settle = settings.vote_timeout.total_seconds()
            owner = PartitionOwner(bus, counters, counter, reservation_log, lease=LEASE_SECONDS, settle=settle)
            alerts = AlertPublisher(bus, quotas)
            metrics.SENDERS.set_function(lambda: sum(len(account.senders) for account in counters.accounts.values()))
            metrics.PAIRS.set_function(lambda: len(known))
            server.include(
                routes.router(quotas, UsageReader(bus, quotas, counters, partial(counted_mail_store.ids, engine)))
            )
            oldest = min((reservation.at for reservation in counters.reservations()), default=now())
            texts = Projection(ACCOUNT_TEXTS, bus, engine, VOTER)
            voter = Voter(
                quotas=quotas,
                texts=texts,
                counters=counters,
                known=known,
                reservation_log=reservation_log,
                owner=owner,
                alerts=alerts,
                now=now,
            )
            async with (
                quotas.following(),
                texts.following(),
                run_in_background(
                    counter.follow(loaded.sequence, loaded.at),
                    counter.follow_refusals(oldest),
                    owner.run(voter),
                    counted_mail_store.save_periodically(engine, counter, known),
                    _forget(counters),
                ),
            ):
                try:
                    await server.serve(bus, quotas=quotas.check, texts=texts.check, partitions=owner.check)
                finally:
                    await alerts.finish()


async def _forget(counters: QuotaCounters) -> None:
    while True:
        await asyncio.sleep(_FORGET_SECONDS)
        for _ in counters.forget(now()):
            await asyncio.sleep(0)


SERVICE = Service(
    name=VOTER,
    role=("voter",),
    settings=Settings,
    serve=serve,
    publishes=(ALL, subjects.lease(VOTER), subjects.replay_frames("*")),
    subscribes=(
        *FILTERS,
        *ACCOUNT_TEXTS.filters,
        REFUSED,
        RECORDED,
        subjects.ballot("*"),
        *ACCEPTED,
        subjects.replay_request(VOTER),
    ),
)


def main() -> None:
    """`varco-ratelimit`: this service alone."""
    service.run(SERVICE)
