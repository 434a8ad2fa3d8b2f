"""Dead letters: what services parked and nobody has dealt with since. Folded from events; pure."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from varco_common.events import AnyEvent, DeadLetterDropped, DeadLetterRedelivered, RecordParked
from varco_common.eventsourcing.projection_spec import ProjectionSpec

FILTERS = (
    RecordParked.subject_filter(),
    DeadLetterRedelivered.subject_filter(),
    DeadLetterDropped.subject_filter(),
)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record that `service` passes over. `times` is how often it was parked, `why` what was said the last time."""

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
    """What a letter is called: who parked it, and where it lies."""
    if isinstance(event, RecordParked | DeadLetterRedelivered | DeadLetterDropped):
        return f"{event.service}.{event.stream}.{event.sequence}"
    return event.key


def apply(letter: DeadLetter | None, event: AnyEvent) -> DeadLetter | None:
    """The letter after the event; None: there is none."""
    match event:
        case RecordParked():
            times = letter.times + 1 if letter else 1
            parked = DeadLetter(
                service=event.service,
                stream=event.stream,
                sequence=event.sequence,
                consumer=event.consumer,
                why=event.why,
                at=event.at,
            )
            return replace(parked, times=times)
        case DeadLetterRedelivered() | DeadLetterDropped():
            return None
        case _:
            return letter


DEAD_LETTERS = ProjectionSpec("dead-letters", FILTERS, apply, DeadLetter, key)
