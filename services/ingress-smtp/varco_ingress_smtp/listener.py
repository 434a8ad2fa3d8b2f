"""The ports: who connects gets a session, through PROXY where a balancer stands in between."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from varco_common.settings import BrokenSetting
from varco_ingress_smtp.door import Door
from varco_ingress_smtp.proxy import Balanced
from varco_ingress_smtp.session import Session
from varco_ingress_smtp.settings import Settings
from varco_ingress_smtp.transaction import ListenerName

BACKLOG = 1024
PROXY_SECONDS = 10.0

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
async def listening(door: Door, sockets: dict[ListenerName, socket.socket]) -> AsyncIterator[None]:
    """Takes connections inside the block; sessions that are open live on behind it."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(_factory(door, name), sock=one) for name, one in sockets.items()]
    try:
        yield
    finally:
        for server in servers:
            server.close()


def _factory(door: Door, name: ListenerName) -> Callable[[], asyncio.BaseProtocol]:
    balancers = door.settings.balancer_networks
    if not balancers:
        return lambda: Session(door, name)

    def session(host: str, nobody: bool) -> Session:
        return Session(door, name, host, nobody=nobody)

    return lambda: Balanced(balancers, session, PROXY_SECONDS)
