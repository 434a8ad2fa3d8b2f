"""Casts filelink's votes from the settings in memory."""

from collections.abc import Callable

from msgspec.structs import replace

from varco_common.eventsourcing.projection import Projection
from varco_common.mail.ballot import Ballot, Vote
from varco_filelink import metrics
from varco_filelink.decide import decide
from varco_filelink.model.account_settings import LinkSettings


def voter(accounts: Projection[LinkSettings]) -> Callable[[Ballot], Vote]:
    """A vote names the sequence that it was decided on, so that it can be replayed."""

    def vote(ballot: Ballot) -> Vote:
        decided = decide(ballot, accounts.get(ballot.envelope.account))
        metrics.VOTES.labels("convert" if decided.convert else "accept" if decided.reply.accepts else "refuse").inc()
        return replace(decided, sequence=accounts.sequence)

    return vote
