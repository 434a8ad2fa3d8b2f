"""What each account's next hop can carry, as relay has learned it: so that a mail it can't take is refused in the session."""

from contextlib import aclosing

from varco_common.base.subjects import event
from varco_common.bus import Bus
from varco_common.events import RouteLearned, RouteRemoved, RouteSet
from varco_common.mail.replies import Reply

ROUTE_EVENTS = tuple(event("relay", fact, "*") for fact in ("route-learned", "route-set", "route-removed"))


class NextHopCapabilities:
    """Follows relay's events from their beginning; an account without a known route is refused nothing."""

    def __init__(self) -> None:
        self._known: dict[str, RouteLearned] = {}

    async def follow(self, bus: Bus) -> None:
        async with aclosing(bus.events.follow(*ROUTE_EVENTS)) as events:
            async for stored in events:
                self.apply(stored.event)

    def apply(self, fact: object) -> None:
        match fact:
            case RouteLearned():
                self._known[fact.account] = fact
            case RouteSet() | RouteRemoved():  # another next hop: what it can carry isn't known yet
                self._known.pop(fact.account, None)

    def objection(self, account: str, *, smtputf8: bool, eight_bit: bool) -> Reply | None:
        """Why this account's route can't carry a mail that needs these extensions."""
        known = self._known.get(account)
        if known and smtputf8 and not known.smtputf8:
            return Reply.ROUTE_LACKS_SMTPUTF8  # RFC 6531 3.5
        if known and eight_bit and not known.eight_bit:
            return Reply.ROUTE_LACKS_8BITMIME  # RFC 6152 3
        return None
