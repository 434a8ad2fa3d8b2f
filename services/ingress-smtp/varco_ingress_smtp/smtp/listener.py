"""The ports: each connection gets a session, after a PROXY header if a balancer sent it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from varco_common.base import log
from varco_common.base.settings import BrokenSetting
from varco_common.runtime.proxy_protocol import client_of
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.smtp import limits
from varco_ingress_smtp.smtp.admission import Admission
from varco_ingress_smtp.smtp.connection import ClientConnection
from varco_ingress_smtp.smtp.session import SmtpSession
from varco_ingress_smtp.transaction import ListenerName

BACKLOG = 1024
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
            if name == "smtps" or admission.settings.smtp_balancer_networks:
                accepting = loop.create_task(_accept(admission, name, listener))
                stack.callback(listener.close)
                stack.callback(accepting.cancel)
            else:
                server = await loop.create_server(
                    partial(ClientConnection, admission, name, SmtpSession), sock=listener
                )
                stack.callback(server.close)
        yield


async def _accept(admission: Admission, name: ListenerName, listener: socket.socket) -> None:
    """Unlike `create_server` it reads a PROXY header, and asks admission before a handshake."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()
    listener.setblocking(False)
    while True:
        try:
            connection, address = await loop.sock_accept(listener)
        except OSError as error:  # no file descriptor left, or the client has gone
            _log.warning("connection not accepted", error=str(error))
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        task = loop.create_task(_open(admission, name, connection, address[0]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _open(admission: Admission, name: ListenerName, accepted: socket.socket, peer: str) -> None:
    try:
        client = await client_of(accepted, peer, admission.settings.smtp_balancer_networks)
    except OSError:
        client = None
    if not client:
        accepted.close()
        return
    connection = ClientConnection(admission, name, SmtpSession, client.host, is_health_check=client.is_health_check)
    if name != "smtps":
        await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted)
    elif connection.admit():
        await _shake_hands(connection, accepted)
    else:
        accepted.close()


async def _shake_hands(connection: ClientConnection, accepted: socket.socket) -> None:
    try:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            accepted,
            ssl=connection.admission.certificates.context,
            ssl_handshake_timeout=limits.HANDSHAKE_SECONDS,
        )
    except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
        write = _log.debug if connection.info.is_health_check else _log.info  # it comes every few seconds
        write("TLS handshake failed", host=connection.info.host, error=str(error))
        connection.leave()
