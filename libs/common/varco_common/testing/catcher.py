"""A mail catcher for demos, run by `python -m`: prints each mail as JSON, delivers none."""

import asyncio
import json
import os
import signal

from varco_common.testing.next_hop import NextHop, Received

PORT = 2525
MAX_CONTENT = 64 * 1024  # characters of a mail that are printed


def line(mail: Received) -> str:
    """The line of JSON for a mail."""
    content = mail.content.decode("utf-8", "replace")
    fields = {
        "sender": mail.sender,
        "recipients": mail.recipients,
        "size": len(mail.content),
        "content": content[:MAX_CONTENT],
    }
    return json.dumps(fields)


async def catch(host: str, port: int, ended: asyncio.Event) -> None:
    """Catches mails until `ended` is set."""
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
