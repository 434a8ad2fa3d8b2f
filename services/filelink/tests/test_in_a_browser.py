"""The download page in a real browser without JavaScript."""

from pathlib import Path

import pytest

from . import browser, layouts

pytestmark = pytest.mark.skipif(not browser.CHROMIUM, reason="no Chromium is installed (Debian: chromium)")

NAME = "più grande \u200f\u05e2\u05d1\u05e8\u05d9\u05ea.pdf"  # and a word in Hebrew


async def linked(gate) -> str:
    """The URL of a file whose name has three scripts and a direction mark."""
    name = layouts.pdf(name="x", Content_Disposition="attachment; filename*=UTF-8''" + layouts.percent(NAME))
    mail = await gate.accept(layouts.mail(layouts.multi("mixed", "m", layouts.html(), name)))
    await gate.converted_body(mail)
    async with gate.client() as client:
        [link] = (await client.get("/links", params={"mail": mail})).json()["links"]
    return str(link["url"])


@pytest.mark.parametrize(
    ("language", "words"),
    [("it-IT,it", ("Scarica", "Disponibile fino al")), ("de,en;q=0.5", ("Download", "Available until"))],
)
async def test_the_button_brings_the_file_in_either_language(gate, filelink, tmp_path: Path, language, words):
    url = await linked(gate)
    async with browser.browser(tmp_path, language) as page:
        await page.go(url)
        source = await page.source()
        assert all(word in source for word in (*words, "acme.example", "40 kB"))
        await page.click("a.button")
        name = await page.downloaded()
    assert name == NAME.replace("\u200f", "")
    assert (tmp_path / "downloads" / name).read_bytes() == layouts.PDF


async def test_dark_colours_are_the_pages_own_where_the_reader_wants_them(gate, filelink, tmp_path: Path):
    url = await linked(gate)
    async with browser.browser(tmp_path, "en") as page:
        await page.go(url)
        light = await page.screenshot()
        await page.go(url, dark=True)
        dark = await page.screenshot()
        await page.go(url.replace("/files/", "/files/0")[:-1])
        assert "There is no such file" in await page.source()
    assert light != dark
