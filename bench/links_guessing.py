"""Measures whether the time of a 404 tells how close a guessed link is.

`python -m bench.links_guessing` uses one client and one persistent connection.

It requests, in random order, links that share nothing with any existing link, links that share all
but the last digit, and existing links with another file ending. `P(slower)` is how often a request
of that kind takes longer than one of the first kind.
"""

import asyncio
import random
import statistics
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Annotated, cast

import typer
import uvloop

from varco_common.runtime.uvicorn_server import listening
from varco_common.storage.object_store import ObjectStore
from varco_filelink.downloads import server
from varco_filelink.downloads.download_events import DownloadEvents
from varco_filelink.link_addresses import hidden_url, link_id
from varco_filelink.link_store import LinkStore
from varco_filelink.model.link_state import Link

HELD = 100_000  # links that there are
NEVER = 10**9  # misses


def main(requests: Annotated[int, typer.Option(help="of each kind")] = 10_000) -> None:
    """Prints the median, the deviation from 0.5, and the 95 % interval of pure chance."""
    taken = uvloop.run(_asked(requests))
    first, *_ = taken.values()
    chance = 1.96 * (1 / (6 * requests)) ** 0.5  # of Mann and Whitney's statistic, for two equal samples
    for name, times in taken.items():
        print(f"{name:28} median {statistics.median(times):7.1f} us, P(slower) {_slower(times, first):.4f}")
    print(f"chance alone: 0.5 +- {chance:.4f}")


async def _asked(requests: int) -> dict[str, list[float]]:
    source = random.Random(404)
    held = [source.randbytes(20).hex() for _ in range(HELD)]
    links = {(key := link_id(f"{digits}.pdf")): _link(key) for digits in held}
    kinds: dict[str, Callable[[], str]] = {
        "nothing in common": lambda: f"{source.randbytes(20).hex()}.pdf",
        "all but the last digit": lambda: _near(source.choice(held), links),
        "there, with another ending": lambda: f"{source.choice(held)}.zip",
    }
    # as in the service: a digest, and one look into a table in memory
    store = cast(LinkStore, SimpleNamespace(by_name=lambda name: links.get(link_id(name))))
    files = cast("ObjectStore", None)
    server.MISSES_PER_MINUTE = NEVER
    downloads = server.DownloadServer(store, files, cast("DownloadEvents", None), lambda _: None)
    asked = [(name, path()) for name, path in kinds.items() for _ in range(requests)]  # now: making one warms caches
    source.shuffle(asked)
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    async with listening(downloads.app, "127.0.0.1", 0, "PORT", max_requests=100) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for name, path in asked:
            taken[name].append(await _timed(reader, writer, path))
        writer.close()
        await writer.wait_closed()
    return taken


async def _timed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> float:
    """Returns microseconds from the request to the end of its 404."""
    began = time.perf_counter()
    writer.write(f"GET /files/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 404"):
        raise SystemExit(f"no 404: {head!r}")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return (time.perf_counter() - began) * 1e6


def _near(digits: str, links: dict[str, Link]) -> str:
    other = next(d for d in "0123456789abcdef" if d != digits[-1] and link_id(f"{digits[:-1]}{d}.pdf") not in links)
    return f"{digits[:-1]}{other}.pdf"


def _slower(times: list[float], than: list[float]) -> float:
    """Returns how often a value of `times` is above one of `than`; ties count half."""
    ordered = sorted(than)
    above = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in times)
    return above / 2 / len(times) / len(than)


def _link(key: str) -> Link:
    at = datetime(2026, 11, 24, tzinfo=UTC)
    return Link(
        link=key,
        account="bench",
        mail="m",
        part="2",
        url=hidden_url("http://x.test", key, "pdf"),
        object="o",
        name="a.pdf",
        size=1,
        sha256="",
        domain="x.test",
        linked_at=at,
        expires_at=at + timedelta(days=36_500),
    )


if __name__ == "__main__":
    typer.run(main)
