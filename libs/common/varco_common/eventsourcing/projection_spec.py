"""What is folded out of which events, without where it is kept. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from varco_common.events import AnyEvent

S = TypeVar("S")


def event_key(event: AnyEvent) -> str:
    """What states are kept by where nothing else is said: the event's own key."""
    return event.key


@dataclass(frozen=True)
class ProjectionSpec(Generic[S]):
    """One state for each key: what `apply` makes of the events that pass `filters`. `name` names it in the tables."""

    name: str
    filters: tuple[str, ...]
    apply: Callable[[S | None, AnyEvent], S | None]
    state: type[S]
    key: Callable[[AnyEvent], str] = event_key
