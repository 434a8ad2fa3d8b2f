"""Casts ratelimit's votes.

Decides from memory, and logs each reservation before the vote leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from msgspec.structs import replace

from varco_common.base import log, subjects
from varco_common.events import Meter
from varco_common.eventsourcing.projection import Projection
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot, Vote
from varco_common.mail.replies import Reply
from varco_ratelimit import metrics
from varco_ratelimit.alerts import AlertPublisher
from varco_ratelimit.counters import QuotaCounters, Reservation
from varco_ratelimit.decide import VOTER, amounts_of, decide
from varco_ratelimit.known_recipients import KnownRecipients, first_time_count
from varco_ratelimit.model import AccountQuotas, sender_key
from varco_ratelimit.partition_owner import PartitionOwner, PartitionStatus
from varco_ratelimit.reservation_log import ReservationLog
from varco_ratelimit.vote_inputs import figures_of

NOT_YET = Vote(voter=VOTER, reply=Reply.SERVICE_MISSING, reason="not all mails that may count are known yet")

_log = log.get(__name__)


@dataclass(frozen=True, kw_only=True)
class Voter:
    """Called with each ballot; None where another process votes.

    `now` is the clock, in milliseconds since 1970.
    """

    quotas: Projection[AccountQuotas]
    texts: Projection[AccountTexts]
    counters: QuotaCounters
    known: KnownRecipients
    reservation_log: ReservationLog
    owner: PartitionOwner
    alerts: AlertPublisher
    now: Callable[[], int]

    def __call__(self, ballot: Ballot) -> Vote | None:
        started = perf_counter()
        status = self.owner.status(subjects.partition(ballot.envelope.account))
        if status is PartitionStatus.OTHER:
            return None
        ready = status is PartitionStatus.READY
        vote = self._vote(ballot) if ready else replace(NOT_YET, sequence=self._sequence)
        metrics.VOTES[vote.reply].inc()
        metrics.VOTE_SECONDS.observe(perf_counter() - started)
        return vote

    @property
    def _sequence(self) -> int:
        """The last event that a vote goes by, so that it can be replayed."""
        return max(self.quotas.sequence, self.texts.sequence)

    def _vote(self, ballot: Ballot) -> Vote:
        envelope, now = ballot.envelope, self.now()
        self._end_lapsed(now)
        account, sender = self.quotas.get(envelope.account), sender_key(envelope.sender)
        amounts = amounts_of(ballot, self._first_time(account, ballot, sender, now))
        counters = self.counters.account_counters(envelope.account)
        decision = decide(ballot, account, counters, amounts, now, texts=self.texts.get(envelope.account))
        figures = figures_of(counters, sender, amounts, clock=now, counted=self.counters.sequence)
        if decision.vote.reply.accepts and account:
            reservation = Reservation(envelope.id, envelope.account, sender, amounts, now)
            self.reservation_log.write(reservation)
            self.counters.reserve(reservation)
        for alert in decision.alerts:
            self.alerts.publish(envelope.account, alert, envelope.id, now)
        return replace(decision.vote, sequence=self._sequence, figures=figures)

    def _end_lapsed(self, now: int) -> None:
        if lapsed := self.counters.lapse(now):
            metrics.LAPSED.inc(len(lapsed))
            _log.warning("accepted mails were neither stored nor refused", mails=[mail.mail for mail in lapsed])

    def _first_time(self, account: AccountQuotas | None, ballot: Ballot, sender: str, now: int) -> int:
        """Counted only where a limit needs it: it costs more than all the rest of a vote."""
        if account is None:
            return 0
        if Meter.FIRST_TIME not in account.quotas.whole and Meter.FIRST_TIME not in account.limits(sender, now):
            return 0
        envelope = ballot.envelope
        return first_time_count(self.known, envelope.account, sender, map(sender_key, envelope.recipients), now)
