"""What the world sees of a domain or an address, over HTTP."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from varco_common.events import Colour
from varco_common.eventsourcing.projection import Projection
from varco_domains.reputation.daily_look import DailyLook
from varco_domains.reputation.model import KnownFinding, Reputation


class FindingOut(BaseModel):
    """One check. `record` is what to publish, word for word; `since`: it has had this colour."""

    check: str
    colour: Colour
    text: str
    record: str
    since: datetime

    @classmethod
    def of(cls, known: KnownFinding) -> "FindingOut":
        finding = known.finding
        return cls(
            check=finding.check, colour=finding.colour, text=finding.text, record=finding.record, since=known.since
        )


class ReputationOut(BaseModel):
    """The findings of the last look. `looked_at` is None where it is not known any more."""

    colour: Colour
    findings: list[FindingOut]
    looked_at: datetime | None


class ReputationView:
    """Shows reputations, and looks at once when asked."""

    def __init__(self, reputations: Projection[Reputation], daily: DailyLook) -> None:
        self._reputations, self._daily = reputations, daily

    @property
    def addresses(self) -> Sequence[str]:
        return self._daily.addresses

    async def look(self, account: str, domain: str) -> None:
        """Looks now, if the domain is owned. Raises TransientError."""
        await self._daily.look_at_domain(account, domain)

    def of(self, key: str) -> ReputationOut | None:
        """Of a domain (`domain_key`) or an address; None where nobody looked yet."""
        if not (state := self._reputations.get(key)):
            return None
        findings = [FindingOut.of(known) for known in state.known]
        return ReputationOut(colour=state.colour, findings=findings, looked_at=self._daily.looked_at(key))
