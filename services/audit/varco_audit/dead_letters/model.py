"""Dead letters, folded from events. Pure."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.events import AnyEvent, DeadLetterDropped, DeadLetterRedelivered, RecordParked
from varco_common.eventsourcing.projection_spec import ProjectionSpec

FILTERS = tuple(kind.subject_filter() for kind in (RecordParked, DeadLetterRedelivered, DeadLetterDropped))


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message of `stream` that `service` passes over.

    It was parked `times` times; `why` is the reason of the last time.
    """

    service: str
    stream: str
    sequence: int
    consumer: str
    why: str
    at: datetime
    times: int = 1

    @property
    def id(self) -> str:
        return f"{self.service}.{self.stream}.{self.sequence}"


def key(event: AnyEvent) -> str:
    """The id of the dead letter that the event is about."""
    if isinstance(event, RecordParked | DeadLetterRedelivered | DeadLetterDropped):
        return f"{event.service}.{event.stream}.{event.sequence}"
    return event.key


def apply(letter: DeadLetter | None, event: AnyEvent) -> DeadLetter | None:
    """The dead letter after the event; None if there is none any more."""
    match event:
        case RecordParked():
            parked = {name: getattr(event, name) for name in DeadLetter.__struct_fields__ if name != "times"}
            return replace(DeadLetter(**parked), times=letter.times + 1 if letter else 1)
        case DeadLetterRedelivered() | DeadLetterDropped():
            return None
        case _:
            return letter


DEAD_LETTERS = ProjectionSpec("dead-letters", FILTERS, apply, DeadLetter, key)
