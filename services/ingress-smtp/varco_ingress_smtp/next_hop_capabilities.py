"""What each account's next hop supports, by relay's events: other mails are refused at once."""

from contextlib import aclosing

from varco_common.bus import Bus
from varco_common.events import RouteLearned, RouteRemoved, RouteRulesSet, RouteSet
from varco_common.mail.replies import Reply

ROUTE_EVENTS = tuple(kind.subject_filter() for kind in (RouteLearned, RouteSet, RouteRemoved, RouteRulesSet))


class NextHopCapabilities:
    """Follows relay's events. Nothing is refused while an account's next hop is unknown."""

    def __init__(self) -> None:
        self._learned: dict[str, RouteLearned] = {}

    async def follow(self, bus: Bus) -> None:
        """Applies events until cancelled."""
        async with aclosing(bus.events.follow(*ROUTE_EVENTS)) as events:
            async for stored in events:
                self.apply(stored.event)

    def apply(self, event: object) -> None:
        match event:
            case RouteLearned():
                self._learned[event.account] = event
            case RouteSet() | RouteRemoved() | RouteRulesSet():  # nothing is known of another next hop yet
                self._learned.pop(event.account, None)

    def require_tls(self, account: str) -> bool:
        """Whether this account's next hop is known to honour REQUIRETLS (RFC 8689)."""
        learned = self._learned.get(account)
        return bool(learned and learned.require_tls)

    def objection(self, account: str, *, smtputf8: bool, eight_bit: bool) -> Reply | None:
        """Why this account's next hop can't take a mail that needs these extensions.

        With `eight_bit` its body has 8-bit bytes that relay must not encode.
        """
        learned = self._learned.get(account)
        if learned and smtputf8 and not learned.smtputf8:
            return Reply.ROUTE_LACKS_SMTPUTF8  # RFC 6531 3.5
        if learned and eight_bit and not learned.eight_bit:
            return Reply.ROUTE_LACKS_8BITMIME  # RFC 6152 3
        return None
