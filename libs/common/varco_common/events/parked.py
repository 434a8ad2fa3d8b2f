"""The event of a message that a service can't parse.

It is parked: not dropped, and not retried forever.
"""

from typing import ClassVar

from varco_common.events.base import Event


class RecordParked(Event, frozen=True, kw_only=True, omit_defaults=True, tag="record.parked.v1"):
    """A message of `stream` at `sequence` that `service` could not handle; it stays in its stream.

    `consumer` is the durable consumer of MAIL that passes over it from now on; empty where a stream
    is only followed.
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
