"""Casts policy's votes from memory, each with the sequence of the state that it was cast on."""

from time import perf_counter

from msgspec.structs import replace

from varco_common.mail.ballot import Ballot, Vote
from varco_policy.account_directory import AccountDirectory
from varco_policy.decide import decide
from varco_policy.metrics import VOTE_SECONDS, VOTES


class PolicyVoter:
    """Called with each ballot."""

    def __init__(self, accounts: AccountDirectory) -> None:
        self._accounts = accounts

    def __call__(self, ballot: Ballot) -> Vote:
        started = perf_counter()
        vote = decide(ballot, self._accounts.get(ballot.envelope.account))
        VOTES[vote.reply].inc()
        VOTE_SECONDS.observe(perf_counter() - started)
        return replace(vote, sequence=self._accounts.sequence)
