"""Casts filelink's votes from the settings in memory."""

from collections.abc import Callable

from msgspec.structs import replace

from varco_common.eventsourcing.projection import Projection
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.ballot import Ballot, Vote
from varco_filelink import metrics
from varco_filelink.decide import decide
from varco_filelink.model.account_settings import LinkSettings


def voter(accounts: Projection[LinkSettings], texts: Projection[AccountTexts]) -> Callable[[Ballot], Vote]:
    """A vote names the sequence that it was decided on, so that it can be replayed."""

    def vote(ballot: Ballot) -> Vote:
        account = ballot.envelope.account
        decided = decide(ballot, accounts.get(account), texts.get(account))
        metrics.VOTES.labels("convert" if decided.convert else "accept" if decided.reply.accepts else "refuse").inc()
        return replace(decided, sequence=max(accounts.sequence, texts.sequence))

    return vote
