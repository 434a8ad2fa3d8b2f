"""Who may connect: bans and connection limits at accept; closes sessions of hosts banned later."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from varco_common.base import log
from varco_common.events import ConnectionsRefused, RefusedConnections
from varco_common.events.ban_table import BanTable, Network, address_of
from varco_common.runtime.connection_limit import ConnectionLimit
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.repeated_guesses import GuessDigest
from varco_common.runtime.tls import Certificates
from varco_ingress_smtp import metrics
from varco_ingress_smtp.authentication import Authenticator
from varco_ingress_smtp.pipeline import MailPipeline
from varco_ingress_smtp.recorder import Recorder
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp import answers
from varco_ingress_smtp.smtp.banned_hosts import BannedHosts, HiddenClientsWarning
from varco_ingress_smtp.smtp.limits import RefusalReports
from varco_ingress_smtp.transaction import SessionInfo

# At a login that many hosts guess at, all hosts that it does not know share one attempt a second;
# ten of them may wait. A person who mistypes waits little, and 86,400 guesses a day find nothing.
GUARD_INTERVAL_SECONDS = 1.0
GUARD_WAITING = 10

_log = log.get(__name__)


class OpenConnection(Protocol):
    """A connection, as admission sees it."""

    info: SessionInfo
    since: datetime

    def drain(self) -> None: ...

    def send_last(self, answer: str) -> None: ...


class Admission:
    """Admits connections and has the open ones. `draining` is set when no new mail may begin.

    It also carries what all sessions of the process share.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: MailPipeline,
        recorder: Recorder,
        authenticator: Authenticator,
        certificates: Certificates,
        *,
        table: BanTable,
    ) -> None:
        self.settings = settings
        self.pipeline = pipeline
        self.recorder = recorder
        self.authenticator = authenticator
        self.certificates = certificates
        self.connections: dict[OpenConnection, str] = {}
        self.draining = False
        self.empty = asyncio.Event()
        self.empty.set()
        self.guesses = GuessDigest()
        self.login_throttle = LoginThrottle(GUARD_INTERVAL_SECONDS, GUARD_WAITING)
        self.bans = BannedHosts(table, self.login_throttle, self._close_banned)
        self._hidden_clients = HiddenClientsWarning()
        self._limit = ConnectionLimit(settings.max_connections, settings.max_connections_per_host)
        self._refusals = RefusalReports()

    def enter(self, connection: OpenConnection) -> RefusedConnections | None:
        """Admits a connection, which must `leave` later; or returns why it is refused."""
        host = connection.info.host
        if self.bans.refuses(host):
            cause: RefusedConnections | None = RefusedConnections.BANNED
        else:
            self._hidden_clients.count(host)
            cause = self._limit.enter(host)
        if cause:
            self._count_refusal(host, cause)
            return cause
        self.connections[connection] = host
        self.empty.clear()
        metrics.SESSIONS[connection.info.listener].inc()
        return None

    def leave(self, connection: OpenConnection) -> None:
        """Frees the connection's place."""
        self._limit.leave(self.connections.pop(connection))
        if not self.connections:
            self.empty.set()

    def remember(self, host: str) -> None:
        """The host has logged in, or had a mail accepted: strangers leave room for it."""
        self._limit.remember(host)

    def drain(self) -> None:
        """No new mail begins: 421 to idle sessions now, to the others after their mail."""
        self.draining = True
        for connection in [*self.connections]:
            connection.drain()

    def close(self) -> None:
        """421 to every session, also to busy ones."""
        for connection in [*self.connections]:
            connection.send_last(answers.CLOSING)

    def _close_banned(self, network: Network) -> None:
        """421 to the open sessions of a network that is banned from now on."""
        for connection, host in [*self.connections.items()]:
            if host and address_of(host) in network and self.bans.refuses(host):
                connection.send_last(answers.BANNED)

    def _count_refusal(self, host: str, cause: RefusedConnections) -> None:
        metrics.REFUSED.labels(cause.value).inc()
        if count := self._refusals.to_report(host, cause, time.monotonic()):
            _log.warning("connections refused", host=host, cause=cause.value, count=count)
            event = ConnectionsRefused(at=datetime.now(UTC), host=host, count=count, cause=cause)
            self.recorder.append_in_background(event)
