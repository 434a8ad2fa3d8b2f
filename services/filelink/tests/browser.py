"""A real headless browser, controlled over a pipe (Chrome DevTools Protocol)."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
_SECONDS = 60.0


class Page:
    """One tab without JavaScript. All methods raise TimeoutError."""

    def __init__(self, reader: asyncio.StreamReader, commands: int) -> None:
        self._reader, self._commands, self._number, self._session = reader, commands, 0, ""
        self._events: list[dict[str, Any]] = []

    async def open(self, downloads: Path) -> None:
        behaviour = {"behavior": "allow", "downloadPath": str(downloads), "eventsEnabled": True}
        await self.say("Browser.setDownloadBehavior", **behaviour)
        target = (await self.say("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self.say("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        await self.say("Page.enable")
        await self.say("Emulation.setScriptExecutionDisabled", value=True)

    async def go(self, url: str, *, dark: bool = False) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.say("Emulation.setEmulatedMedia", features=features)
        await self.say("Page.navigate", url=url)
        await self.next_event("Page.loadEventFired")

    async def source(self) -> str:
        root = (await self.say("DOM.getDocument"))["root"]["nodeId"]
        return str((await self.say("DOM.getOuterHTML", nodeId=root))["outerHTML"])

    async def click(self, selector: str) -> None:
        root = (await self.say("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.say("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        quad = (await self.say("DOM.getContentQuads", nodeId=node))["quads"][0]
        x, y = sum(quad[0::2]) / 4, sum(quad[1::2]) / 4
        for kind in ("mousePressed", "mouseReleased"):
            await self.say("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def downloaded(self) -> str:
        """The suggested name of the file that was downloaded, in whole."""
        name = (await self.next_event("Browser.downloadWillBegin"))["suggestedFilename"]
        while (message := await self.next_event("Browser.downloadProgress"))["state"] != "completed":
            assert message["state"] == "inProgress"
        return str(name)

    async def screenshot(self) -> bytes:
        return base64.b64decode((await self.say("Page.captureScreenshot"))["data"])

    async def say(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        os.write(
            self._commands,
            json.dumps(command | ({"sessionId": self._session} if self._session else {})).encode() + b"\0",
        )
        async with asyncio.timeout(_SECONDS):
            while (message := await self._next()).get("id") != self._number:
                self._events.append(message)
        assert "error" not in message, message
        return dict(message["result"])

    async def next_event(self, event: str) -> dict[str, Any]:
        """The next event of this name."""
        for position, message in enumerate(self._events):
            if message.get("method") == event:
                del self._events[: position + 1]
                return dict(message["params"])
        self._events.clear()
        async with asyncio.timeout(_SECONDS):
            while (message := await self._next()).get("method") != event:
                pass
        return dict(message["params"])

    async def _next(self) -> dict[str, Any]:
        return dict(json.loads((await self._reader.readuntil(b"\0"))[:-1]))


@asynccontextmanager
async def browser(home: Path, language: str) -> AsyncIterator[Page]:
    """A browser of somebody who reads `language`; its downloads go to `home/downloads`."""
    (theirs, commands), (answers, ours) = os.pipe(), os.pipe()
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run")
    more = (f"--user-data-dir={home / 'profile'}", f"--accept-lang={language}", "--window-size=800,600", "about:blank")
    shell = [
        "bash",
        "-c",
        f'exec "$@" 3<&{theirs} 4>&{ours}',
        "bash",
        CHROMIUM,
        *options,
        *more,
    ]  # it reads 3, writes 4
    process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
        shell,
        pass_fds=(theirs, ours),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(home)},
    )
    os.close(theirs)
    os.close(ours)
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(answers, "rb")
    )
    try:
        page = Page(reader, commands)
        await page.open(home / "downloads")
        yield page
        page._session = ""
        with suppress(OSError):
            await page.say("Browser.close")
    finally:
        transport.close()
        os.close(commands)
        process.terminate()
        await asyncio.to_thread(process.wait)
