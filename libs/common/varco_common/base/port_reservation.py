"""Processes that look for free ports at the same time don't find the same ones."""

import socket


def reserve(first: int) -> bool:
    """Takes the ports from `first` on for this process, until it ends. False if another has them.

    The mark is a UDP socket at `first`: the TCP ports stay free for whoever is to listen there.
    """
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", first))
    except OSError:
        mark.close()
        return False
    mark.detach()  # it stays open as long as the process lives
    return True
