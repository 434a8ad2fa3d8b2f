"""The SettingsView of a service whose settings are one folded state for each account."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from varco_common.events import AnyEvent
from varco_common.eventsourcing.projection_spec import event_key
from varco_common.eventsourcing.replay.replayable import Sections

S = TypeVar("S")


class FoldedSettings(Generic[S]):
    """`show` turns a state into sections."""

    def __init__(
        self,
        *filters: str,
        apply: Callable[[S | None, AnyEvent], S | None],
        show: Callable[[S], Sections],
        key: Callable[[AnyEvent], str] = event_key,
    ) -> None:
        self.filters = filters
        self._apply, self._show, self._key = apply, show, key
        self._account = ""
        self._state: S | None = None

    def begin(self, account: str, at: datetime, *, own: bool) -> None:  # noqa: ARG002 - all of it is the account's own
        self._account, self._state = account, None

    def apply(self, sequence: int, event: AnyEvent) -> str | None:  # noqa: ARG002 - events come in order
        if self._key(event) != self._account:
            return None
        self._state = self._apply(self._state, event)
        return self._account

    def sections(self, key: str) -> Sections:  # noqa: ARG002 - there is one
        return {} if self._state is None else self._show(self._state)
