"""The ports: each connection gets a session, after a PROXY header if a balancer sent it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from varco_common.base import log
from varco_common.base.settings import BrokenSetting
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.connection import ClientConnection, normal_address
from varco_ingress_smtp.smtp.proxy_protocol import ProxyHeaderReader, is_listed
from varco_ingress_smtp.smtp.session import SmtpSession
from varco_ingress_smtp.transaction import ListenerName

BACKLOG = 1024
PROXY_SECONDS = 10.0  # for a balancer to send its header
PAUSE_SECONDS = 0.1  # after a failed accept, as when no file descriptor is left

_log = log.get(__name__)
LISTENERS: tuple[ListenerName, ...] = ("smtp", "submission", "smtps")


def bind(settings: Settings, *, shared: bool) -> dict[ListenerName, socket.socket]:
    """A listening socket for each port that is set.

    Raises BrokenSetting if one is not available.
    """
    sockets: dict[ListenerName, socket.socket] = {}
    try:
        for name in LISTENERS:
            if port := getattr(settings, f"{name}_port"):
                sockets[name] = _bind(settings.bind, port, f"VARCO_{name.upper()}_PORT", shared=shared)
    except BrokenSetting:
        for listener in sockets.values():
            listener.close()
        raise
    return sockets


def _bind(host: str, port: int, variable: str, *, shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BrokenSetting(variable, port, f"a port that can be listened on at {host} ({error.strerror})") from None
    return listener


@asynccontextmanager
async def listening(admission: Admission, sockets: dict[ListenerName, socket.socket]) -> AsyncIterator[None]:
    """Accepts connections inside the block. Open sessions outlive it."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for name, listener in sockets.items():
            if name == "smtps":
                accepting = loop.create_task(_accept_tls(admission, listener))
                stack.callback(listener.close)
                stack.callback(accepting.cancel)
            else:
                server = await loop.create_server(_protocol_factory(admission, name), sock=listener)
                stack.callback(server.close)
        yield


def _protocol_factory(admission: Admission, name: ListenerName) -> Callable[[], asyncio.BaseProtocol]:
    balancers = admission.settings.balancer_networks
    if not balancers:
        return lambda: ClientConnection(admission, name, SmtpSession)

    def behind_balancer(host: str, is_health_check: bool) -> ClientConnection:
        return ClientConnection(admission, name, SmtpSession, host, is_health_check=is_health_check)

    return lambda: ProxyHeaderReader(balancers, behind_balancer, PROXY_SECONDS, tls=name == "smtps")


async def _accept_tls(admission: Admission, listener: socket.socket) -> None:
    """Implicit TLS. Unlike `create_server` it asks admission before the handshake."""
    loop = asyncio.get_running_loop()
    handshakes: set[asyncio.Task[None]] = set()
    listener.setblocking(False)
    while True:
        try:
            client, address = await loop.sock_accept(listener)
        except OSError as error:  # no file descriptor left, or the client has gone
            _log.warning("connection not accepted", error=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        task = loop.create_task(_shake_hands(admission, client, normal_address(address[0])))
        handshakes.add(task)
        task.add_done_callback(handshakes.discard)


async def _shake_hands(admission: Admission, client: socket.socket, host: str) -> None:
    loop, seconds = asyncio.get_running_loop(), admission.settings.handshake_timeout.total_seconds()
    if is_listed(host, admission.settings.balancer_networks):
        await loop.connect_accepted_socket(_protocol_factory(admission, "smtps"), client)
        return
    connection = ClientConnection(admission, "smtps", SmtpSession, host)
    if not connection.admit():
        client.close()
        return
    try:
        await loop.connect_accepted_socket(
            lambda: connection, client, ssl=admission.certificates.context, ssl_handshake_timeout=seconds
        )
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        _log.info("TLS handshake failed", host=host, error=str(error))
        connection.leave()
