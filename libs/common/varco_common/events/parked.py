"""What any service says of a message that it can't parse: parked, never dropped and never retried for ever."""

from typing import ClassVar

from varco_common.events.base import Event


class RecordParked(Event, frozen=True, kw_only=True, omit_defaults=True, tag="record.parked.v1"):
    """A message of `stream` at `sequence` that `service` could not handle; it stays in its stream.

    `consumer` is the durable consumer of MAIL that passes over it from now on; empty where a stream is only followed.
    """

    SERVICE: ClassVar[str] = "parked"
    service: str
    stream: str
    sequence: int
    why: str
    consumer: str = ""

    @property
    def key(self) -> str:
        return self.service
