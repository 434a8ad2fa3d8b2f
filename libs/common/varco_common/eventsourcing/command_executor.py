"""The one way from a command to events.

Decide on the newest state, append, wait until it is applied.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Generic, TypeVar

from varco_common.events import Event
from varco_common.eventsourcing.commands import Change, CommandContext, CommandRequest, CommandResult, Decide
from varco_common.eventsourcing.projection import Projection

S = TypeVar("S")


class CommandExecutor(Generic[S]):
    """Changes the settings of one projection. `now` is the clock, UTC."""

    def __init__(self, projection: Projection[S], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._projection, self._now = projection, now

    async def execute(
        self, account: str, request: CommandRequest, decide: Decide[S], *, guard: str = ""
    ) -> CommandResult:
        """Carries the command out, or if it is a dry run only shows what it would change.

        `decide` may run several times; it runs again when another process changed the state.
        The version of a dry run is read before `decide` runs, so a change that is sent with it as
        the expected version is never made on a newer state than the one that was shown. `guard` as
        in Projection.commit: for decisions that look beyond the account.
        Raises what `decide` raises, ConflictError, or TransientError (bus or database away).
        """
        context = CommandContext(account, self._now(), request.by, request.reason)
        if request.dry_run:
            version = await self._projection.version(account)
            return CommandResult(account, False, version, decide(self._projection.get(account), context))
        changes: list[Change] = []

        def events(state: S | None) -> Sequence[Event]:
            changes[:] = decide(state, context)
            return [event for change in changes for event in (change.also, change.event) if event]

        version = await self._projection.commit(account, events, expect=request.expected_version, guard=guard)
        return CommandResult(account, True, version, changes)
