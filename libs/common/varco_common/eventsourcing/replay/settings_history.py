"""State as of any sequence: the events of each key in order, folded as far as is asked for.

Pure.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from varco_common.events import AnyEvent
from varco_common.eventsourcing.projection_spec import event_key

S = TypeVar("S")

_REMEMBERED = 256  # states that are kept for each key: questions come nearly in order


class SettingsVersion(NamedTuple, Generic[S]):
    """A state, and the sequence of the event that made it."""

    sequence: int
    state: S | None


_NOTHING: SettingsVersion[Any] = SettingsVersion(0, None)


class SettingsHistory(Generic[S]):
    """Takes events in the order of their sequences, then answers `as_of`."""

    def __init__(
        self, apply: Callable[[S | None, AnyEvent], S | None], key: Callable[[AnyEvent], str] = event_key
    ) -> None:
        self._apply, self._key = apply, key
        self._histories: dict[str, _KeyHistory[S]] = {}

    def apply_event(self, sequence: int, event: AnyEvent) -> None:
        history = self._histories.get(key := self._key(event))
        if history is None:
            self._histories[key] = history = _KeyHistory(self._apply)
        history.events.append((sequence, event))

    def as_of(self, key: str, sequence: int) -> S | None:
        """The state after every event up to and with `sequence`."""
        return self.version(key, sequence).state

    def version(self, key: str, sequence: int) -> SettingsVersion[S]:
        """As `as_of`, with the event that made it; (0, None) before the first one.

        Equal versions are the same object.
        """
        history = self._histories.get(key)
        return history.as_of(sequence) if history else _NOTHING

    def __iter__(self) -> Iterator[str]:
        """The keys that have events."""
        return iter(self._histories)


class _KeyHistory(Generic[S]):
    """The events of one key, and the newest states that were made of them."""

    __slots__ = ("_apply", "_next", "_versions", "events")

    def __init__(self, apply: Callable[[S | None, AnyEvent], S | None]) -> None:
        self.events: list[tuple[int, AnyEvent]] = []
        self._apply = apply
        self._next = 0
        self._versions: deque[SettingsVersion[S]] = deque([SettingsVersion(0, None)], _REMEMBERED)

    def as_of(self, sequence: int) -> SettingsVersion[S]:
        events, versions = self.events, self._versions
        while self._next < len(events) and events[self._next][0] <= sequence:
            at, event = events[self._next]
            versions.append(SettingsVersion(at, self._apply(versions[-1].state, event)))
            self._next += 1
        if versions[-1].sequence <= sequence:
            return versions[-1]
        if (place := bisect_right(versions, sequence, key=lambda version: version.sequence)) > 0:
            return versions[place - 1]
        return self._fold_from_start(sequence)

    def _fold_from_start(self, sequence: int) -> SettingsVersion[S]:
        version: SettingsVersion[S] = SettingsVersion(0, None)
        for at, event in self.events:
            if at > sequence:
                break
            version = SettingsVersion(at, self._apply(version.state, event))
        return version
