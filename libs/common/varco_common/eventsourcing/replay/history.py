"""State as of any sequence: the events of each key in order, folded as far as is asked for. Pure."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from varco_common.events import AnyEvent

S = TypeVar("S")

REMEMBERED = 256  # states of one key that are kept: questions come nearly in order


def event_key(event: AnyEvent) -> str:
    """What states are kept by where nothing else is said."""
    return event.key


class SettingsVersion(NamedTuple, Generic[S]):
    """A state, and the sequence of the event that made it so."""

    sequence: int
    state: S | None


_NOTHING: SettingsVersion[Any] = SettingsVersion(0, None)


class SettingsHistory(Generic[S]):
    """Learns events in the order of their sequences, then answers `as_of`."""

    def __init__(
        self, apply: Callable[[S | None, AnyEvent], S | None], key: Callable[[AnyEvent], str] = event_key
    ) -> None:
        self._apply, self._key = apply, key
        self._lines: dict[str, _Line[S]] = {}

    def learn(self, sequence: int, event: AnyEvent) -> None:
        line = self._lines.get(key := self._key(event))
        if line is None:
            self._lines[key] = line = _Line(self._apply)
        line.events.append((sequence, event))

    def as_of(self, key: str, sequence: int) -> S | None:
        """The state when every event up to and with `sequence` had been applied."""
        line = self._lines.get(key)
        return line.as_of(sequence).state if line else None

    def version(self, key: str, sequence: int) -> SettingsVersion[S]:
        """As `as_of`, with what made it so; 0 and None where nothing had. While nothing changes it is the same object."""
        line = self._lines.get(key)
        return line.as_of(sequence) if line else _NOTHING

    def __iter__(self) -> Iterator[str]:
        """The keys that any event was about."""
        return iter(self._lines)


class _Line(Generic[S]):
    """One key."""

    __slots__ = ("_apply", "_next", "_versions", "events")

    def __init__(self, apply: Callable[[S | None, AnyEvent], S | None]) -> None:
        self.events: list[tuple[int, AnyEvent]] = []
        self._apply = apply
        self._next = 0
        self._versions: deque[SettingsVersion[S]] = deque([SettingsVersion(0, None)], REMEMBERED)

    def as_of(self, sequence: int) -> SettingsVersion[S]:
        events, versions = self.events, self._versions
        while self._next < len(events) and events[self._next][0] <= sequence:
            at, event = events[self._next]
            versions.append(SettingsVersion(at, self._apply(versions[-1].state, event)))
            self._next += 1
        if versions[-1].sequence <= sequence:
            return versions[-1]
        if (place := bisect_right(versions, sequence, key=lambda one: one.sequence)) > 0:
            return versions[place - 1]
        return self._from_the_first(sequence)

    def _from_the_first(self, sequence: int) -> SettingsVersion[S]:
        found: SettingsVersion[S] = SettingsVersion(0, None)
        for at, event in self.events:
            if at > sequence:
                break
            found = SettingsVersion(at, self._apply(found.state, event))
        return found
