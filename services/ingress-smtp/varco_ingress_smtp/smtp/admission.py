"""What all sessions of a process come through: the count of connections, certificates, and the gate behind."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

from varco_common.base import log
from varco_common.events import ConnectionsRefused, RefusedConnections
from varco_common.events.ban_table import BanTable, Network, address_of
from varco_common.runtime.login_throttle import LoginThrottle
from varco_common.runtime.tls import Certificates
from varco_ingress_smtp import metrics
from varco_ingress_smtp.authentication import Authenticator
from varco_ingress_smtp.pipeline import MailPipeline
from varco_ingress_smtp.recorder import Recorder
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.banned_hosts import BannedHosts, HiddenClientsWarning
from varco_ingress_smtp.smtp.limits import Admitted, ConnectionCounter
from varco_ingress_smtp.transaction import SessionInfo

_log = log.get(__name__)


class OpenConnection(Protocol):
    """A session, as the door sees it."""

    @property
    def info(self) -> SessionInfo: ...

    def drain(self) -> None: ...

    def close(self) -> None: ...

    def ban(self) -> None: ...


class Admission:
    """Admits sessions and knows those that are open; `draining` is set when no new mail may begin."""

    def __init__(
        self,
        settings: Settings,
        pipeline: MailPipeline,
        recorder: Recorder,
        authenticator: Authenticator,
        certificates: Certificates,
    ) -> None:
        self.settings = settings
        self.pipeline = pipeline
        self.recorder = recorder
        self.authenticator = authenticator
        self.certificates = certificates
        self.sessions: dict[OpenConnection, str] = {}
        self.draining = False
        self.empty = asyncio.Event()
        self.empty.set()
        self.login_throttle = LoginThrottle(settings.guard_interval.total_seconds(), settings.guard_waiting)
        self.bans = BannedHosts(BanTable(settings.balancer_networks), self.login_throttle, self._banned)
        self._hidden = HiddenClientsWarning()
        self._connections = ConnectionCounter(settings.max_connections, settings.max_connections_per_host)
        extensions = ("PIPELINING", "{size}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
        self._ehlo = "\r\n250-".join((f"250-{settings.hostname}", *extensions))

    def enter(self, session: OpenConnection) -> RefusedConnections | Admitted:
        host = session.info.host
        if self.bans.refuses(host):
            self._turned_away(host, RefusedConnections.BANNED)
            return RefusedConnections.BANNED
        self._hidden.saw(host)
        answer = self._connections.enter(host)
        if isinstance(answer, RefusedConnections):
            self._turned_away(host, answer)
            return answer
        self.sessions[session] = host
        self.empty.clear()
        metrics.CONNECTIONS.set(len(self.sessions))
        metrics.SESSIONS[session.info.listener].inc()
        return answer

    def leave(self, session: OpenConnection) -> None:
        self._connections.leave(self.sessions.pop(session))
        if not self.sessions:
            self.empty.set()
        metrics.CONNECTIONS.set(len(self.sessions))

    def ehlo(self, info: SessionInfo) -> str:
        """In one piece. AUTH is offered inside TLS alone; SIZE is the account's, once it is known."""
        most = self.settings.max_size
        if info.granted:
            most = min(most, info.granted.grant.max_size)
        last = ("AUTH PLAIN LOGIN" if not info.login else "HELP") if info.tls else "STARTTLS"
        return f"{self._ehlo.replace('{size}', f'SIZE {most}')}\r\n250 {last}"

    def drain(self) -> None:
        self.draining = True
        for session in [*self.sessions]:
            session.drain()

    def close(self) -> None:
        """421 to every session, whatever it does."""
        for session in [*self.sessions]:
            session.close()

    def _banned(self, network: Network) -> None:
        """421 to the sessions that are open from a network that is banned from now on."""
        for session, host in [*self.sessions.items()]:
            if host and address_of(host) in network and self.bans.refuses(host):
                session.ban()

    def _turned_away(self, host: str, cause: RefusedConnections) -> None:
        metrics.REFUSED.labels(cause.value).inc()
        if count := self._connections.to_report(host, cause, time.monotonic()):
            _log.warning("connections refused", host=host, cause=cause.value, count=count)
            self.recorder.append_in_background(
                ConnectionsRefused(at=datetime.now(UTC), host=host, count=count, cause=cause)
            )
