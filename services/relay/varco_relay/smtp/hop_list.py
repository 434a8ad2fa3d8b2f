"""The next hops of a route: which of them a mail is offered to, in which order."""

from collections.abc import Sequence
from itertools import count

from varco_relay.smtp.connection_pool import BlackholeSink, ConnectionPool, PoolListener, UnreachableHop
from varco_relay.smtp.mx_hops import LookedUpHop, MxHop
from varco_relay.smtp.smtp_reply import SmtpReply
from varco_relay.smtp.transaction import Capabilities

Hop = ConnectionPool | BlackholeSink | MxHop
PATIENCE_SECONDS = 30.0  # a next hop that took no mail in that time gives way to another one


class HopList:
    """One or more next hops. Tells `listener` of them as of one, until `leave`.

    The first that is up gets the mail; with `balance` the one with the least to do.
    """

    defers = False  # while no hop is up, mail waits without an attempt

    def __init__(
        self,
        hops: Sequence[ConnectionPool | BlackholeSink | LookedUpHop],
        listener: PoolListener,
        *,
        balance: bool = False,
    ) -> None:
        self.hops, self._listener, self._balance = tuple(hops), listener, balance
        self.name = ", ".join(hop.name for hop in hops)
        only = hops[0] if len(hops) == 1 else None
        self._plain: Sequence[Hop] = (only,) if only and not isinstance(only, LookedUpHop) else ()
        self.patience = 0.0 if self._plain else PATIENCE_SECONDS
        self._turn = count()
        for pool in self.pools:
            pool.listeners.add(self)
        self._tell_at_once()

    @property
    def pools(self) -> list[ConnectionPool]:
        return [hop for hop in self.hops if isinstance(hop, ConnectionPool)]

    @property
    def down_reason(self) -> str:
        """Why no mail can be sent; empty while a next hop is up."""
        if not all(hop.down_reason for hop in self.hops):
            return ""
        if len(self.hops) == 1:
            return self.hops[0].down_reason
        return "; ".join(f"{hop.name}: {hop.down_reason}" for hop in self.hops)

    def groups(self, recipients: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The recipients that the same next hops take."""
        return [recipients]

    async def choose(
        self,
        recipients: tuple[str, ...],  # noqa: ARG002 - all go there
        *,
        any_tls: bool = False,  # noqa: ARG002 - the route says what TLS it uses
    ) -> Sequence[Hop] | SmtpReply:
        """The next hops in the order in which they are tried."""
        if self._plain:
            return self._plain
        found: list[Hop] = []
        for hop in self._balanced() if self._balance else self.hops:
            if isinstance(hop, LookedUpHop):
                hops = await hop.hops()
                found += [UnreachableHop(hop.name, hops)] if isinstance(hops, str) else hops
            else:
                found.append(hop)
        return sorted(found, key=lambda hop: hop.is_stalled)

    def leave(self) -> list[ConnectionPool]:
        """Ends the listening; returns the pools that nobody listens to any more."""
        for pool in self.pools:
            pool.listeners.discard(self)
        return [pool for pool in self.pools if not pool.listeners]

    def _balanced(self) -> Sequence[ConnectionPool | BlackholeSink | LookedUpHop]:
        """The least loaded first; among equals one after the other."""
        turn = next(self._turn) % len(self.hops)
        return sorted(self.hops[turn:] + self.hops[:turn], key=lambda hop: hop.load)

    def _tell_at_once(self) -> None:
        """What other accounts' mail has shown of the next hops."""
        if reason := self.down_reason:
            self._listener.on_down(self.name, reason)
        elif any(hop.capabilities for hop in self.hops):
            self._listener.on_capabilities(self.name, self._offers())

    def _offers(self) -> Capabilities:
        """What some next hop offers, or may offer: a mail that needs more can't leave."""
        known = [hop.capabilities for hop in self.hops if hop.capabilities]
        if len(self.hops) == 1:
            return known[0]
        unknown = len(known) < len(self.hops)
        sizes = [offered.max_size for offered in known]
        return Capabilities(
            eight_bit=unknown or any(offered.eight_bit for offered in known),
            smtputf8=unknown or any(offered.smtputf8 for offered in known),
            require_tls=not unknown and all(offered.require_tls for offered in known),  # it promises it for all
            max_size=0 if unknown or 0 in sizes else max(sizes),
        )

    # Called by the connection pools (PoolListener)

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None:  # noqa: ARG002 - one of several
        self._listener.on_capabilities(self.name, self._offers())

    def on_down(self, host: str, reason: str) -> None:  # noqa: ARG002 - one of several
        if down := self.down_reason:
            self._listener.on_down(self.name, down)

    def on_recovered(self) -> None:
        self._listener.on_recovered()
