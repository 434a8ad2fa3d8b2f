"""Casts banguard's votes, with the figures that a replay needs."""

from datetime import UTC, datetime

from msgspec.structs import replace

from varco_banguard.decide import decide, position_figures
from varco_banguard.metrics import VOTES
from varco_banguard.projections import BanguardState
from varco_common.mail.ballot import Ballot, Vote


class BanguardVoter:
    """Called with each ballot."""

    def __init__(self, state: BanguardState) -> None:
        self._state = state

    def __call__(self, ballot: Ballot) -> Vote:
        now = datetime.now(UTC)
        vote = decide(ballot, self._state.table, now, self._state.texts.get(ballot.envelope.account))
        VOTES[vote.reply].inc()
        return replace(vote, figures=position_figures(self._state.position, now))
