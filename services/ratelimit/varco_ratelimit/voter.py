"""Casts ratelimit's votes: decides from memory, and writes down what it says yes to before it says it."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from msgspec.structs import replace

from varco_common.base import log, subjects
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.events import Meter
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.replies import Reply
from varco_ratelimit import metrics
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.decide import VOTER, Alert, amounts_of, decide
from varco_ratelimit.known_recipients import KnownRecipients, first_time_count
from varco_ratelimit.model import AccountQuotas, alert_key, sender_key
from varco_ratelimit.partition_owner import PartitionOwner, PartitionStatus
from varco_ratelimit.quota_windows import moment
from varco_ratelimit.reservation_log import ReservationLog
from varco_ratelimit.vote_inputs import figures_of

NOT_YET = Vote(voter=VOTER, reply=Reply.SERVICE_MISSING, reason="not all mails that may count are known yet")

_log = log.get(__name__)


class Voter:
    """Called with each ballot. `now` is the clock, in milliseconds since 1970."""

    def __init__(
        self,
        *,
        quotas: Projection[AccountQuotas],
        book: QuotaCounters,
        memory: KnownRecipients,
        journal: ReservationLog,
        holder: PartitionOwner,
        speaker: "AlertPublisher",
        now: Callable[[], int],
    ) -> None:
        self._quotas, self._book, self._memory = quotas, book, memory
        self._journal, self._holder, self._speaker, self._now = journal, holder, speaker, now

    def __call__(self, ballot: Ballot) -> Vote | None:
        started = perf_counter()
        turn = self._holder.turn(subjects.partition(ballot.envelope.account))
        if turn is PartitionStatus.ANOTHERS:
            return None
        vote = self._vote(ballot) if turn is PartitionStatus.READY else replace(NOT_YET, sequence=self._quotas.sequence)
        metrics.VOTES[vote.reply].inc()
        metrics.VOTE_SECONDS.observe(perf_counter() - started)
        return vote

    def _vote(self, ballot: Ballot) -> Vote:
        envelope, now = ballot.envelope, self._now()
        if lapsed := self._book.lapse(now):
            metrics.LAPSED.inc(len(lapsed))
            _log.warning("mails let pass have neither come nor been refused", mails=[one.mail for one in lapsed])
        account = self._quotas.get(envelope.account)
        sender = sender_key(envelope.sender)
        amounts = amounts_of(ballot, self._first_time(account, ballot, sender, now))
        ledger = self._book.ledger(envelope.account)
        decision = decide(ballot, account, ledger, amounts, now)
        figures = figures_of(ledger, sender, amounts, clock=now, counted=self._book.sequence)
        if decision.vote.reply.accepts and account:
            one = Reservation(envelope.id, envelope.account, sender, amounts, now)
            self._journal.write(one)
            self._book.reserve(one)
        for said in decision.said:
            self._speaker.say(envelope.account, said, envelope.id, now)
        return replace(decision.vote, sequence=self._quotas.sequence, figures=figures)

    def _first_time(self, account: AccountQuotas | None, ballot: Ballot, sender: str, now: int) -> int:
        """Only where a limit asks for it: it costs more than all the rest."""
        if account is None:
            return 0
        if Meter.FIRST_TIME not in account.quotas.whole and Meter.FIRST_TIME not in account.limits(sender, now):
            return 0
        envelope = ballot.envelope
        return first_time_count(self._memory, envelope.account, sender, map(sender_key, envelope.recipients), now)


class AlertPublisher:
    """States what is said once a window; nobody waits for it."""

    def __init__(self, bus: Bus, quotas: Projection[AccountQuotas]) -> None:
        self._bus, self._quotas = bus, quotas
        self._saying: dict[tuple[str, str], asyncio.Task[None]] = {}

    def say(self, account: str, said: Alert, mail: str, now: int) -> None:
        key = (account, alert_key(said.kind, said.sender, said.meter))
        if key not in self._saying:
            self._saying[key] = task = asyncio.create_task(self._say(account, said, mail, now))
            task.add_done_callback(lambda _: self._saying.pop(key))

    async def ended(self) -> None:
        """When all has been said."""
        await asyncio.gather(*self._saying.values(), return_exceptions=True)

    async def _say(self, account: str, said: Alert, mail: str, now: int) -> None:
        event = said.kind(
            at=moment(now),
            account=account,
            by=VOTER,
            sender=said.sender,
            meter=said.meter,
            limit=said.limit,
            used=said.used,
            mail=mail,
        )
        try:
            await self._quotas.reached(await self._bus.events.append(event))
        except TransientError as error:
            _log.error("fact not kept", fact=type(event).__name__, account=account, error=str(error))
