"""The demo, as `make demo` runs it."""

import asyncio
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from varco_cli.commands import demo
from varco_cli.demo import run
from varco_cli.demo.rows import ROWS


async def test_every_mail_of_the_demo_gets_the_answer_that_it_should(capsys: pytest.CaptureFixture[str]) -> None:
    report = await run.run()
    outcomes, story, balance = report
    run.check(outcomes)
    demo._show(report)
    assert "`varco demo --stay`" in capsys.readouterr().out.splitlines()[-1], "it ends by saying where to look"
    assert len(outcomes) == len(ROWS)
    went = {entry.row.title: entry.went for entry in outcomes if entry.answer.taken}
    assert "still waits" not in went.values()
    assert [place for place in went.values() if "black hole" in place] == ["the black hole (300 recipients)"]
    assert balance["unaccounted"] == []
    assert all(line["balanced"] and not line["in_flight"] for line in balance["lines"])
    assert {"attachment-linked", "mail-recorded", "mail-delivered"} <= {step["fact"] for step in story["steps"]}


@asynccontextmanager
async def staying() -> AsyncIterator[Process]:
    """`varco demo --stay`, ended by Ctrl-C if the test has not done it."""
    varco = str(Path(sys.executable).with_name("varco"))
    process = await asyncio.create_subprocess_exec(varco, "demo", "--stay", stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def test_it_ends_by_saying_where_its_mails_can_be_seen_and_stays_until_ctrl_c() -> None:
    async with staying() as process, asyncio.timeout(300):
        assert process.stdout
        link = ""
        while "Ctrl-C ends the gate" not in (line := (await process.stdout.readline()).decode()):
            assert line, "it ended"
            link = line.strip() if re.match(r" *http://\S+/password/\S+$", line) else link
        assert "sign in as operator" in line
        assert process.returncode is None
        address = link.partition("/password/")[0]
        async with httpx.AsyncClient(base_url=address, timeout=60) as browser:
            await _send(browser, link, password="twelve letters", again="twelve letters")
            await _send(browser, "/login", name="operator", password="twelve letters")
            assert (await browser.get("/mails")).text.count('href="/mails/') >= 10
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
            with pytest.raises(httpx.TransportError):
                await browser.get("/livez")


async def _send(browser: httpx.AsyncClient, page: str, **fields: str) -> None:
    """Sends the page's form."""
    token = (await browser.get(page)).text.partition('name="form_token" value="')[2].partition('"')[0]
    answer = await browser.post(page, data={"form_token": token, **fields})
    assert answer.status_code == 303, answer.text
