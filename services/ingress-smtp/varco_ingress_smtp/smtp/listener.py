"""The ports: who connects gets a session, through PROXY where a balancer stands in between."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from varco_common.base import log
from varco_common.base.settings import BrokenSetting
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.proxy_protocol import ProxyHeaderReader, is_listed
from varco_ingress_smtp.smtp.session import SmtpSession, host_of
from varco_ingress_smtp.transaction import ListenerName

BACKLOG = 1024
PROXY_SECONDS = 10.0
PAUSE_SECONDS = 0.1

_log = log.get(__name__)
LISTENERS: tuple[ListenerName, ...] = ("smtp", "submission", "smtps")


def bind(settings: Settings, *, shared: bool) -> dict[ListenerName, socket.socket]:
    """A listening socket for each port that is wanted. Raises BrokenSetting where one can't be had."""
    sockets: dict[ListenerName, socket.socket] = {}
    try:
        for name in LISTENERS:
            if port := getattr(settings, f"{name}_port"):
                sockets[name] = _bind(settings.bind, port, f"VARCO_{name.upper()}_PORT", shared=shared)
    except BrokenSetting:
        for one in sockets.values():
            one.close()
        raise
    return sockets


def _bind(host: str, port: int, variable: str, *, shared: bool) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        one.bind((host, port))
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise BrokenSetting(variable, port, f"a port that can be listened on at {host} ({error.strerror})") from None
    return one


@asynccontextmanager
async def listening(admission: Admission, sockets: dict[ListenerName, socket.socket]) -> AsyncIterator[None]:
    """Takes connections inside the block; sessions that are open live on behind it."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for name, one in sockets.items():
            if name == "smtps":
                taking = loop.create_task(_take(admission, one))
                stack.callback(one.close)
                stack.callback(taking.cancel)
            else:
                server = await loop.create_server(_factory(admission, name), sock=one)
                stack.callback(server.close)
        yield


def _factory(admission: Admission, name: ListenerName) -> Callable[[], asyncio.BaseProtocol]:
    balancers = admission.settings.balancer_networks
    if not balancers:
        return lambda: SmtpSession(admission, name)

    def session(host: str, is_health_check: bool) -> SmtpSession:
        return SmtpSession(admission, name, host, is_health_check=is_health_check)

    return lambda: ProxyHeaderReader(balancers, session, PROXY_SECONDS, tls=name == "smtps")


async def _take(admission: Admission, listener: socket.socket) -> None:
    """Implicit TLS. The door is asked before the handshake, which `create_server` would begin by itself."""
    loop = asyncio.get_running_loop()
    handshakes: set[asyncio.Task[None]] = set()
    listener.setblocking(False)
    while True:
        try:
            one, address = await loop.sock_accept(listener)
        except OSError as error:  # no file descriptor left, or the client has gone
            _log.warning("connection not taken", error=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        task = loop.create_task(_taken(admission, one, host_of(address[0])))
        handshakes.add(task)
        task.add_done_callback(handshakes.discard)


async def _taken(admission: Admission, one: socket.socket, host: str) -> None:
    loop, seconds = asyncio.get_running_loop(), admission.settings.handshake_timeout.total_seconds()
    if is_listed(host, admission.settings.balancer_networks):
        await loop.connect_accepted_socket(_factory(admission, "smtps"), one)
        return
    session = SmtpSession(admission, "smtps", host)
    if not session.admit():
        one.close()
        return
    try:
        await loop.connect_accepted_socket(
            lambda: session, one, ssl=admission.certificates.context, ssl_handshake_timeout=seconds
        )
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        _log.info("TLS handshake failed", host=host, error=str(error))
        session.leave()
