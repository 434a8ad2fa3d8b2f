"""The next hops that an account's routes named before, with their sealed secrets, from EVENTS."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from varco_common.base import subjects
from varco_common.bus import Bus
from varco_common.events import AccountOpened, RouteRulesSet, RouteSet, Smarthost
from varco_relay.oauth_maker import SecretMissing
from varco_relay.route_maker import hops_of

R = TypeVar("R")

WithFormer = Callable[[Sequence[Smarthost]], Awaitable[R]]


class FormerHops:
    """Read only when a command lacks a secret: to undo a change, or for an older account file."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tried(self, account: str, command: WithFormer[R]) -> R:
        """Carries the command out; with the former hops if it lacks a secret.

        Raises what it raises.
        """
        try:
            return await command(())
        except SecretMissing:
            if not (former := await self._of(account)):
                raise
            return await command(former)

    async def _of(self, account: str) -> list[Smarthost]:
        """The newest first. Those from before the account was opened were somebody else's."""
        token = subjects.token(account)
        filters = [kind.subject_filter(token) for kind in (AccountOpened, RouteSet, RouteRulesSet)]
        hops: list[Smarthost] = []
        async with aclosing(self._bus.events.read(*filters)) as events:
            async for stored in events:
                match stored.event:
                    case AccountOpened():
                        hops.clear()
                    case RouteSet(route=route):
                        hops += hops_of(route)
                    case RouteRulesSet(rules=rules):
                        hops += [hop for rule in rules for hop in hops_of(rule.route)]
                    case _:
                        pass
        return [hop for hop in reversed(hops) if hop.login]
