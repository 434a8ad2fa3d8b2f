"""The states of a projection in memory, and which of them are not in the database yet. No I/O."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from varco_common.base.watermark import Watermark
from varco_common.events import AnyEvent

S = TypeVar("S")

_encoder = msgspec.json.Encoder()


class FoldedStates(Generic[S]):
    """The states after the event at `sequence`; the database has them as of `saved`."""

    def __init__(self, apply: Callable[[S | None, AnyEvent], S | None], key: Callable[[AnyEvent], str]) -> None:
        self.states: dict[str, S] = {}
        self.applied = Watermark()
        self.saved = 0
        self._apply, self._key = apply, key
        self._changed: set[str] = set()

    @property
    def sequence(self) -> int:
        return self.applied.value

    def start(self, states: dict[str, S], sequence: int) -> None:
        self.states, self.saved = states, sequence
        self.applied.advance(sequence)

    def apply(self, sequence: int, event: AnyEvent) -> str:
        """Folds one event in and returns its key.

        An event that was applied before changes nothing.
        """
        key = self._key(event)
        if sequence <= self.sequence:
            return key
        state = self._apply(self.states.get(key), event)
        if state is None:
            self.states.pop(key, None)
        else:
            self.states[key] = state
        self._changed.add(key)
        self.applied.advance(sequence)
        return key

    def skip(self, sequence: int) -> None:
        """A message at `sequence` that changes no state."""
        self.applied.advance(max(self.sequence, sequence))

    def take(self) -> dict[str, bytes | None]:
        """The documents of all keys that changed since `saved`.

        All documents where nothing was ever saved.
        """
        taken, self._changed = self._changed, set()
        keys = taken if self.saved else {*self.states}
        return {key: _encoder.encode(self.states[key]) if key in self.states else None for key in keys}

    def give_back(self, keys: Iterable[str]) -> None:
        """These could not be saved: the next `take` has them again."""
        self._changed.update(keys)
