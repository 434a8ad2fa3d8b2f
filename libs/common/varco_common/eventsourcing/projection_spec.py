"""Which events make up a projection and how they are folded, without where its states are stored.

Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from varco_common.events import AnyEvent, Event

S = TypeVar("S")


def event_key(event: AnyEvent) -> str:
    """The default key of a state: the key of the event."""
    return event.key


@dataclass(frozen=True)
class ProjectionSpec(Generic[S]):
    """One state for each key: what `apply` makes of the events that pass `filters`.

    `name` names it in the tables. `settings` are the events that commands append: the last of them
    is the version of a key. Left empty, every event of the service with that key counts, so give
    them where the service also reports facts under that key (a delivered mail changes no setting).
    """

    name: str
    filters: tuple[str, ...]
    apply: Callable[[S | None, AnyEvent], S | None]
    state: type[S]
    key: Callable[[AnyEvent], str] = event_key
    settings: tuple[type[Event], ...] = ()
