"""Measures how long the console's pages take, and how much they weigh, over a long history.

`python -m bench.console_pages [--events 1000000] [--home DIR]` runs a gate, fills its bus with the
events of mails, waits until audit has indexed them, and prints the table of docs/performance.md.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import msgspec
import uvloop

from bench.audit_index import ACCOUNTS, SENDERS, Traffic, fill, step
from bench.proc import cpu
from bench.screenshots import PASSWORD
from varco_cli.stack import Ports, Stack, bus
from varco_cli.stack.first_operator import NAME, console_url, first_operator_link
from varco_common.bus import Bus, BusSettings
from varco_common.events import MailRecorded
from varco_common.mail.record import BodyReference, MailAccepted
from varco_common.testing.waiting import eventually

REQUESTS = 30


async def run(count: int, home: Path, *, prepare_only: bool = False) -> None:
    """A home that was prepared before is measured as it is."""
    known = home / "first-mail.json"
    async with Stack(home / "var", ports=Ports.free(), on_progress=lambda _: None) as stack:
        if not known.exists():
            known.write_text(json.dumps(await _prepare(stack, count)))
        await _open_account(stack)
        await _one_that_waits(stack)
        if not prepare_only:
            await _measure(stack, json.loads(known.read_text()))


async def _open_account(stack: Stack) -> None:
    """One of those that the mails are of, with its senders. Opening it again changes nothing."""
    senders = [f"sender{number}@company7.example" for number in range(7, SENDERS, ACCOUNTS)]
    async with stack.client("policy") as policy:
        form = {"language": "it", "senders": senders}
        (await policy.put("/accounts/company7", json=form)).raise_for_status()


async def _one_that_waits(stack: Stack) -> None:
    """A mail in MAIL, whose account has no route. ratelimit goes on behind it at the next start.

    The others are in EVENTS alone: without one in MAIL it would read all of them again.
    """
    record = next(event.record for event in Traffic().events(50) if isinstance(event, MailRecorded))
    assert isinstance(record, MailAccepted)
    body = b"Subject: Your offer of last week\r\n\r\nhello\r\n"
    waits = msgspec.structs.replace(record, body=BodyReference(size=len(body), sha256=sha256(body).hexdigest()))
    async with Bus.connect(_settings(stack), "bench") as connected:
        if not await connected.mail.last_sequence("mail.accepted.*"):
            await connected.mail.append("accepted", waits, body)


def _settings(stack: Stack) -> BusSettings:
    return replace(bus.operator(stack.home, stack.settings.inner, stack.ports.nats), append_timeout_seconds=60.0)


async def _prepare(stack: Stack, count: int) -> list[str]:
    """Returns what is known of one mail: its id, its Message-ID and its recipient."""
    traffic = Traffic()
    async with Bus.connect(_settings(stack), "bench") as connected:
        await _fill(connected, traffic, count)
        last = await connected.events.last_sequence("events.audit.mail-recorded.*")
    await _indexed(stack, traffic, last)
    return [*traffic.mails[0][:3]]


async def _fill(connected: Bus, traffic: Traffic, count: int) -> None:
    """The gate appends events of its own meanwhile: another attempt goes on behind them."""
    began = time.perf_counter()
    await fill(connected, traffic, count, exclusive=False)
    step(f"{count:,} events appended in {time.perf_counter() - began:.0f} s")


async def _indexed(stack: Stack, traffic: Traffic, last: int) -> None:
    began, newest = time.perf_counter(), traffic.mails[-1][1].partition("@")[0]
    async with stack.client("audit") as audit:  # each of its tables follows the events by itself

        async def applied(path: str, **query: str) -> bool:
            return int((await audit.get(path, params=query)).json()["applied"]) >= last

        async def found() -> bool:
            await asyncio.sleep(1)  # each search looks at all texts, and takes time from the indexing
            return bool((await audit.get("/mails", params={"what": newest})).json()["mails"])

        await eventually(lambda: applied("/index"), seconds=3_600)
        await eventually(found, seconds=3_600)
        await eventually(lambda: applied("/balance", account="nobody"), seconds=3_600)
    step(f"indexed in {time.perf_counter() - began:.0f} s")


async def _measure(stack: Stack, known: list[str]) -> None:
    mail, message_id, recipient = known
    pages = {
        "overview": "/",
        "mails, newest": "/mails",
        "mails, a word of nearly all": "/mails?what=offer",
        "mails, a recipient": f"/mails?what={recipient}",
        "mails, a Message-ID": f"/mails?what={message_id}",
        "mails, a word of none": "/mails?what=nonsense",
        "mails of a sender": "/mails?what=sender7@company7.example",
        "mails, refused, of an account": "/mails?account=company7&outcome=refused",
        "one mail": f"/mails/{mail}",
        "queue": "/queue",
        "bans": "/bans",
        "links": "/links",
        "copies of an account": "/copies?account=company7",
        "events, newest": "/events",
        "events of a host": "/events?host=203.0.113.7",
        "audit": "/audit",
        "events of an account": "/events?account=company7",
        "people": "/people",
        "tokens of an account": "/tokens?account=company7",
    }
    async with httpx.AsyncClient(base_url=console_url(stack), timeout=60) as browser:
        await _sign_in(browser, await first_operator_link(stack))
        print("| page | CPU, ms | median, ms | 95 %, ms | KB |\n| --- | ---: | ---: | ---: | ---: |")
        pids = [process.pid for process in stack.processes.values()]
        for name, path in pages.items():
            took, before = [], cpu(pids)
            for _ in range(REQUESTS):
                began = time.perf_counter()
                answer = await browser.get(path)
                took.append((time.perf_counter() - began) * 1e3)
                answer.raise_for_status()
            slow = statistics.quantiles(took, n=20)[-1]
            used, middle = (cpu(pids) - before) / REQUESTS * 1e3, statistics.median(took)
            print(f"| {name} | {used:.0f} | {middle:.0f} | {slow:.0f} | {len(answer.content) / 1e3:.1f} |", flush=True)


async def _sign_in(browser: httpx.AsyncClient, link: str) -> None:
    """`link` is empty where the password was set before."""
    password = [(link, {"password": PASSWORD, "again": PASSWORD})] if link else []
    for page, fields in (*password, ("/login", {"name": NAME, "password": PASSWORD})):
        html = (await browser.get(page)).text
        token = html.partition('name="form_token" value="')[2].partition('"')[0]
        assert (await browser.post(page, data={"form_token": token, **fields})).status_code == 303


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keeps the history there, so that the next run only measures")
    parser.add_argument("--prepare-only", action="store_true", help="measures nothing: needs --home")
    chosen = parser.parse_args()
    with nullcontext(chosen.home) if chosen.home else tempfile.TemporaryDirectory(prefix="varco-bench-") as home:
        Path(home).mkdir(parents=True, exist_ok=True)
        uvloop.run(run(chosen.events, Path(home), prepare_only=chosen.prepare_only))


if __name__ == "__main__":
    main()
