"""Names the logins of a projection that are older than the events which name them."""

from collections.abc import Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from varco_common.base.errors import ConflictError, TransientError
from varco_common.base.tasks import retry_until_available
from varco_common.bus import Bus
from varco_common.events import Event, LoginNamed, MailboxNamed
from varco_common.eventsourcing.projection import Projection

S = TypeVar("S")


async def name_logins(
    bus: Bus,
    projection: Projection[S],
    kind: type[LoginNamed] | type[MailboxNamed],
    logins: Callable[[S], Iterable[str]],
    named: Callable[[str, str], Event],
) -> None:
    """Appends `named(account, login)` for each login that no event names. Then it ends."""
    known = await retry_until_available(partial(_known, bus, kind))

    def missing(account: str, state: S | None) -> list[Event]:
        present = logins(state) if state is not None else ()
        return [named(account, login) for login in present if (account, login) not in known]

    for account in [account for account, state in projection.items() if missing(account, state)]:
        append = partial(projection.commit, account, partial(missing, account))
        await retry_until_available(append, "logins are named later", retry_on=(TransientError, ConflictError))


async def _known(bus: Bus, kind: type[LoginNamed] | type[MailboxNamed]) -> set[tuple[str, str]]:
    subject = kind.subject_filter()
    last = await bus.events.last_sequence(subject)
    async with aclosing(bus.events.read(subject, after=0, last=last)) as events:
        return {(stored.event.account, stored.event.login) async for stored in events if isinstance(stored.event, kind)}
