"""Leases: one small message for each service, which says what its processes hold."""

from varco_common.base import subjects
from varco_common.bus import jetstream
from varco_common.bus.connection import NatsConnection
from varco_common.bus.headers import headers_of


class Leases:
    """Reads and replaces `lease.<service>`. Methods raise TransientError while the bus is away."""

    def __init__(self, connection: NatsConnection, timeout: float) -> None:
        self._connection, self._timeout = connection, timeout

    async def get(self, service: str) -> tuple[int, bytes]:
        """Sequence and content of the service's lease; (0, b"") if there is none.

        The content is empty if an answer was diverted into the stream (`headers.is_reflected`).
        """
        last = await jetstream.last_message(self._connection, subjects.LEASES, subjects.lease(service))
        return (last.sequence, last.payload if last.own else b"") if last else (0, b"")

    async def replace(self, service: str, content: bytes, *, expect: int) -> int:
        """Replaces the lease and returns its new sequence.

        Raises ConflictError if `expect` is not the old one.
        """
        headers = headers_of(("Nats-Expected-Last-Subject-Sequence", str(expect)))
        return await jetstream.append(self._connection, subjects.lease(service), content, headers, self._timeout)
