"""Floods a gate: `python -S bench/flooder.py PORT CONNECTIONS PER_SECOND`.

It imports almost nothing, because the gate that it floods shares its processors.
"""

import socket
import sys
import time

BANNED = "127.0.0.66"
HANDFUL = 10  # connections at once: a flooder doesn't sleep a millisecond between two


def main(port: int, connections: int, per_second: int) -> None:
    """Connects and waits for the first bytes or the end of each connection.

    Prints the outcomes, the seconds and its own CPU seconds.
    """
    seen = {"refused": 0, "closed": 0, "greeted": 0}
    began, worked = time.monotonic(), time.process_time()
    for number in range(connections):
        if number % HANDFUL == 0:
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))
        seen[knock(port)] += 1
    print(*seen.values(), time.monotonic() - began, time.process_time() - worked)


def knock(port: int) -> str:
    one = socket.socket()
    try:
        one.bind((BANNED, 0))
        one.connect(("127.0.0.1", port))
        return "greeted" if one.recv(10) else "closed"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "closed"
    finally:
        one.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
