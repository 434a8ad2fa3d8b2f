"""audit's own rehearsal: the verdict again, from the votes that are on record."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from varco_audit.settings import Settings
from varco_common.events import AnyEvent
from varco_common.eventsourcing.replay.replayable import RefusedSection, ReplayCase, SettingsLine
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict

SETTINGS = Settings

VERDICT = "verdict"


class VerdictReplay:
    """Which voters were required then is not on record: those that voted, in the order of today's setting."""

    voter = VERDICT
    settings = ()

    def __init__(self, voters: Sequence[str]) -> None:
        self._places = {voter: place for place, voter in enumerate(voters)}

    def learn(self, sequence: int, event: AnyEvent) -> None:
        """A verdict depends on no setting."""

    def warm_up(self, *, assumed: bool) -> timedelta:  # noqa: ARG002
        return timedelta()

    def recorded(self, case: ReplayCase) -> Vote | None:
        """What became of the mail; where that was that somebody was silent, there is nothing to check."""
        if case.reply is Reply.SERVICE_MISSING:
            return None
        return Vote(voter=VERDICT, reply=case.reply, convert=case.convert)

    def needs(self, vote: Vote) -> int:  # noqa: ARG002
        return 0

    def met(self, case: ReplayCase) -> None:
        """No other mail matters."""

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote:
        voted = sorted({vote.voter for vote in case.votes}, key=lambda one: self._places.get(one, len(self._places)))
        again = verdict(case.votes, voted) if voted else None
        reply = again.reply if again else Reply.SERVICE_MISSING
        return Vote(voter=VERDICT, reply=reply, convert=again.convert if again else (), reason=recorded.reason)

    async def assume(self, account: str, sections: Mapping[str, Any], assumed: Sequence[AnyEvent]) -> None:  # noqa: ARG002
        raise RefusedSection("a verdict has no settings")

    async def plan(self, account: str, sections: Mapping[str, Any], at: datetime) -> list[SettingsLine]:  # noqa: ARG002
        return []

    def judge(self, case: ReplayCase, *, others: bool) -> Vote | None:  # noqa: ARG002
        return None


def voter(settings: Settings) -> VerdictReplay:
    """For verify."""
    return VerdictReplay(settings.voters)
