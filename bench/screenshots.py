"""Makes the pictures of docs/console.md: python -m bench.screenshots.

Runs the demo, signs in to its console with Chromium, and visits a few pages.
"""

import asyncio
import re
import shutil
from pathlib import Path

from playwright.async_api import Page, ViewportSize, async_playwright

from varco_cli.demo import run
from varco_cli.stack import Stack
from varco_cli.stack.first_operator import NAME, first_operator_link

FOLDER = Path(__file__).parents[1] / "docs/images"
PASSWORD = "correct horse battery"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DESKTOP, PHONE = ViewportSize(width=1100, height=760), ViewportSize(width=390, height=760)


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    await run.run(_visit)


async def _visit(stack: Stack, report: run.DemoReport) -> None:
    refused = next(
        outcome.answer.decision
        for outcome in report.outcomes
        if "not authorised" in outcome.answer.text and outcome.answer.decision
    )
    link = await first_operator_link(stack)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(locale="en", viewport=DESKTOP, base_url=re.sub(r"/password.*", "", link))
        await _sign_in(page, link)
        for name, path in (
            ("overview", "/"),
            ("mails", "/mails"),
            ("mail", f"/mails/{report.story['mail']}"),
            ("refusal", f"/mails/{refused}"),
            ("queue", "/queue"),
            ("bans", "/bans"),
            ("links", "/links"),
            ("copies", "/copies?account=acme"),
            ("audit", "/audit"),
            ("senders", "/accounts/acme/senders"),
            ("limits", "/accounts/acme/limits"),
        ):
            await _picture(page, name, path)
        await _difference(page)
        await page.set_viewport_size(PHONE)
        await page.emulate_media(color_scheme="dark")
        await _picture(page, "phone", f"/mails/{refused}")
        await browser.close()


async def _sign_in(page: Page, link: str) -> None:
    await page.goto(link)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("#again").fill(PASSWORD)
    await page.locator("main button").click()
    await page.locator("#name").fill(NAME)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("main button").click()
    await page.wait_for_selector("#figures")


async def _difference(page: Page) -> None:
    """A stricter rule, and what it would have done to the mails of the demo."""
    await page.goto("/accounts/acme")
    text = await page.locator("#text").input_value()
    await page.locator("#text").fill(re.sub(r"max_recipients: \d+", "max_recipients: 1", text))
    await page.locator("form.editor button").click()
    await page.locator("#what-if table").first.wait_for(timeout=60_000)
    await page.screenshot(path=FOLDER / "console-difference.png")


async def _picture(page: Page, name: str, path: str) -> None:
    await page.goto(path)
    await page.screenshot(path=FOLDER / f"console-{name}.png")


if __name__ == "__main__":
    asyncio.run(main())
