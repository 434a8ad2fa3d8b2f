"""A mail catcher for demos: takes every mail, delivers none, and prints each as one line of JSON. `python -m` runs it."""

import asyncio
import json
import os
import signal

from varco_common.testing.next_hop import NextHop, Received

PORT = 2525
SHOWN = 64 * 1024  # characters of a mail's content


def line(mail: Received) -> str:
    """What is printed of it."""
    content = mail.content.decode("utf-8", "replace")
    told = {"sender": mail.sender, "recipients": mail.recipients, "size": len(mail.content), "content": content[:SHOWN]}
    return json.dumps(told)


async def catch(host: str, port: int, ended: asyncio.Event) -> None:
    """Until `ended`."""
    hop = NextHop(host=host, port=port, keep=False, on_mail=lambda mail: print(line(mail), flush=True))  # noqa: T201
    await hop.start()
    try:
        await ended.wait()
    finally:
        await hop.stop()


async def main() -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await catch(os.environ.get("VARCO_BIND", "127.0.0.1"), PORT, ended)


if __name__ == "__main__":
    asyncio.run(main())
