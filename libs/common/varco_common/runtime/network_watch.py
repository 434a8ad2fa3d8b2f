"""Notices that the network was taken away from this process.

Containers that share a network namespace keep it when the container that made it ends, but
without any interface besides the loopback one. Only a restart lets them join the new one.
"""

import asyncio
import fcntl
import socket
import struct

_PAUSE_SECONDS = 1.0
_SIOCGIFFLAGS, _IFF_UP, _FLAGS_AT = 0x8913, 1, 16
_LOOKS = 5  # in a row: the container that owns the network must run again before others can join it


async def network_lost() -> None:
    """Returns when every interface besides `lo` is gone for good; never where there was none."""
    if _interfaces():
        missing = 0
        while missing < _LOOKS:
            await asyncio.sleep(_PAUSE_SECONDS)
            missing = 0 if _interfaces() else missing + 1
    else:
        await asyncio.Event().wait()


def _interfaces() -> list[str]:
    """The interfaces that are up. Some kernels give each namespace tunnels, which are down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return [name for _, name in socket.if_nameindex() if name != "lo" and _is_up(probe, name)]


def _is_up(probe: socket.socket, name: str) -> bool:
    """Asks for the flags, as netdevice(7) says. An interface that has just gone is not up."""
    try:
        answer = fcntl.ioctl(probe, _SIOCGIFFLAGS, struct.pack("256s", name.encode()))
    except OSError:
        return False
    return bool(struct.unpack_from("H", answer, _FLAGS_AT)[0] & _IFF_UP)
