"""Makes past verdicts again from the votes on record, as `varco replay verify` asks."""

from collections.abc import Sequence

from varco_audit.settings import Settings
from varco_common.events import AnyEvent
from varco_common.eventsourcing.replay.replayable import ReplayCase, ReplayWithoutSettings
from varco_common.mail.ballot import Vote
from varco_common.mail.replies import Reply
from varco_common.mail.verdict import verdict

SETTINGS = Settings

VERDICT = "verdict"


class VerdictReplay(ReplayWithoutSettings):
    """Takes the verdict for a vote of its own.

    A refusal records which voters were required. An accepted mail has the votes of all of them.
    In an old refusal those that voted count as required, in the order of today's setting.
    """

    voter = VERDICT
    settings = ()

    def __init__(self, voters: Sequence[str]) -> None:
        self._order = {voter: place for place, voter in enumerate(voters)}

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        """A verdict depends on no setting."""

    def recorded(self, case: ReplayCase) -> Vote | None:
        """None if a vote was missing and an old event does not say whose."""
        if case.reply is Reply.SERVICE_MISSING and not case.required:
            return None
        return Vote(voter=VERDICT, reply=case.reply, convert=case.convert)

    def decide(self, case: ReplayCase, recorded: Vote) -> Vote:
        """`convert` is empty unless the verdict accepts the mail."""
        required = case.required or sorted(
            {vote.voter for vote in case.votes}, key=lambda voter: self._order.get(voter, len(self._order))
        )
        again = verdict(case.votes, required) if required else None
        reply = again.reply if again else Reply.SERVICE_MISSING
        return Vote(voter=VERDICT, reply=reply, convert=again.convert if again else (), reason=recorded.reason)


def voter(settings: Settings) -> VerdictReplay:
    """Called by the replay process."""
    return VerdictReplay(settings.voters)
