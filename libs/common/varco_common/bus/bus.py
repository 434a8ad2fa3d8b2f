"""The connection of one service to NATS, and the six uses that it is divided into."""

import contextlib
from collections.abc import AsyncIterator, Callable

from varco_common.bus.bus_settings import BusSettings
from varco_common.bus.connection import NatsConnection
from varco_common.bus.event_log import EventLog
from varco_common.bus.leases import Leases
from varco_common.bus.mail_stream import MailStream
from varco_common.bus.requests import BusRequests
from varco_common.bus.stream_admin import StreamAdmin
from varco_common.bus.voting import Voting


class Bus:
    """One service's connection.

    Methods that need the server raise TransientError while it is away.
    """

    def __init__(self, connection: NatsConnection, settings: BusSettings) -> None:
        timeout = settings.append_timeout_seconds
        self._connection = connection
        self.requests = BusRequests(connection)
        self.events = EventLog(connection, timeout)
        self.mail = MailStream(connection, timeout, self.requests)
        self.voting = Voting(connection)
        self.leases = Leases(connection, timeout)
        self.admin = StreamAdmin(connection, timeout)

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, settings: BusSettings, name: str, *, whole_log: bool = False) -> AsyncIterator["Bus"]:
        """Waits until the server is there, and reconnects for ever. `name` is the service's.

        `whole_log` tells that it may read every event.
        """
        async with NatsConnection.open(settings, name) as connection:
            bus = cls(connection, settings)
            bus.events.whole = whole_log
            try:
                yield bus
            finally:
                await bus.requests.close()

    def check(self) -> None:
        """Raises TransientError while disconnected."""
        self._connection.check()

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Calls `callback` after each reconnect and when a server of a cluster is lost."""
        self._connection.on_reconnect(callback)
