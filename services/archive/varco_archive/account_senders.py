"""The addresses that each account may send as. Folded from policy's events. Pure."""

import msgspec

from varco_common.events import AccountClosed, AnyEvent, SenderAuthorised, SenderWithdrawn
from varco_common.eventsourcing.projection_spec import ProjectionSpec
from varco_common.mail.sender_patterns import narrowest_pattern

EVENTS = (SenderAuthorised, SenderWithdrawn, AccountClosed)


class AccountSenders(msgspec.Struct, frozen=True):
    """`patterns` are those of narrowest_pattern."""

    patterns: frozenset[str] = frozenset()

    def cover(self, address: str) -> bool:
        """Whether the account may send as this address."""
        return narrowest_pattern(address, self.patterns) is not None


def apply(state: AccountSenders | None, event: AnyEvent) -> AccountSenders | None:
    """The state after the event."""
    patterns = state.patterns if state else frozenset()
    match event:
        case SenderAuthorised():
            return AccountSenders(patterns | {event.pattern})
        case SenderWithdrawn():
            return AccountSenders(patterns - {event.pattern})
        case AccountClosed():
            return None
    return state


SENDERS = ProjectionSpec("senders", tuple(kind.subject_filter() for kind in EVENTS), apply, AccountSenders)
