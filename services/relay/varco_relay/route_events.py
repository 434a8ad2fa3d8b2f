"""The events about an account's routes: what next hops offer, that they fail, that they recover."""

from varco_common.bus.background_appends import BackgroundAppends
from varco_common.bus.event_log import EventLog
from varco_common.events import (
    Event,
    RouteFailed,
    RouteLearned,
    RouteRecovered,
    RuleRouteFailed,
    RuleRouteRecovered,
)
from varco_relay.delivery_attempt import utc_now
from varco_relay.model.account_route import AccountRoute
from varco_relay.smtp.transaction import Capabilities


class RouteEvents:
    """Appends each once, in the background: nobody waits for them.

    A `rule` is told apart by its description; empty: the account's own route.
    """

    def __init__(self, account: str, events: EventLog) -> None:
        self._account = account
        self._appends = BackgroundAppends(events)
        self._learned: RouteLearned | None = None
        self._failed: set[str] = set()  # rules; empty for the account's own route

    def load(self, state: AccountRoute) -> None:
        """What the events tell so far."""
        self._learned = state.learned
        self._failed = {*state.failed_rules, *([""] if state.failed else [])}

    async def flush(self, grace: float) -> None:
        await self._appends.flush(grace)

    def learned(self, host: str, capabilities: Capabilities) -> None:
        """Appends RouteLearned when they are new or have changed: ingress answers from it."""
        event = RouteLearned(
            at=utc_now(),
            account=self._account,
            host=host,
            smtputf8=capabilities.smtputf8,
            eight_bit=capabilities.eight_bit,
            max_size=capabilities.max_size,
            require_tls=capabilities.require_tls,
        )
        if not self._learned or _facts(self._learned) != _facts(event):
            self._learned = event
            self._append(event)

    def failed(self, rule: str, host: str, why: str) -> None:
        if rule in self._failed:
            return
        self._failed.add(rule)
        at, account = utc_now(), self._account
        if rule:
            self._append(RuleRouteFailed(at=at, account=account, rule=rule, host=host, why=why))
        else:
            self._append(RouteFailed(at=at, account=account, host=host, why=why))

    def recovered(self, rule: str, host: str) -> None:
        if rule not in self._failed:
            return
        self._failed.discard(rule)
        at, account = utc_now(), self._account
        if rule:
            self._append(RuleRouteRecovered(at=at, account=account, rule=rule, host=host))
        else:
            self._append(RouteRecovered(at=at, account=account, host=host))

    def _append(self, event: Event) -> None:
        self._appends.append(event, self._forget_learned)

    def _forget_learned(self) -> None:
        self._learned = None


class RuleListener:
    """Told about the next hops of one rule."""

    def __init__(self, rule: str, events: RouteEvents) -> None:
        self._rule, self._events = rule, events

    def on_capabilities(self, host: str, capabilities: Capabilities) -> None:  # noqa: ARG002 - of some mail alone
        self._events.recovered(self._rule, host)

    def on_down(self, host: str, reason: str) -> None:
        self._events.failed(self._rule, host, reason)

    def on_recovered(self) -> None:
        """Its mail is in the queue, which looks for itself."""


def _facts(event: RouteLearned) -> tuple[object, ...]:
    return event.host, event.smtputf8, event.eight_bit, event.max_size, event.require_tls
