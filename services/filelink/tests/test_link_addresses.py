"""Only those who got the mail, or who may change links, learn the address of a file."""

from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import httpx

from varco_common.events import AttachmentLinked
from varco_common.runtime.token_signer import TokenSigner
from varco_common.testing import running
from varco_filelink.link_addresses import HIDDEN, LinkAddresses, hidden_url, link_id

from . import layouts
from .test_links import linked, status

EARLIER = "e1eb3665a1a0766ea65616b6210cfd538c4950f8"
FILE = b"%PDF of an earlier version"


def reader(gate) -> httpx.AsyncClient:
    """An HTTP client with a token that only reads, as an auditor's."""
    _, text = TokenSigner(running.KEY.encode()).mint_limited("admin", read_only=True, person="auditor")
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gate.port}", headers={"Authorization": f"Bearer {text}"}, timeout=60
    )


def digits_of(url: str) -> str:
    return url.rpartition("/")[2].partition(".")[0]


async def earlier_link(gate) -> str:
    """Appends a link as an earlier version made it, whose id are its digits. Returns its URL."""
    await gate.files.ensure()
    await gate.files.put("acme/earlier/2", FILE)
    url = f"http://127.0.0.1:{gate.links_port}/files/{EARLIER}.pdf"
    await gate.bus.events.append(link_event(EARLIER, url))
    return url


def link_event(link: str, url: str) -> AttachmentLinked:
    at = datetime.now(UTC)
    return AttachmentLinked(
        at=at,
        account="acme",
        mail="earlier",
        part="2",
        link=link,
        url=url,
        object="acme/earlier/2",
        name="offerta.pdf",
        size=len(FILE),
        sha256="00",
        domain="acme.example",
        expires_at=at + timedelta(days=1),
    )


async def test_no_event_holds_the_digits_of_an_address(gate, filelink):
    link = await linked(gate, filelink)
    assert await status(link["url"]) == 200
    last, texts = await gate.bus.events.last_sequence("events.>"), []
    async with aclosing(gate.bus.events.follow("events.>")) as following:
        async for stored in following:
            texts.append(repr(stored.event))
            if stored.sequence >= last:
                break
    [converted] = await gate.converted(link["mail"])
    assert any(link["link"] in text for text in texts)
    assert converted.record.links == (link["link"],)
    assert [text for text in (*texts, repr(converted.record)) if digits_of(link["url"]) in text] == []


async def test_the_version_before_finds_no_file_under_an_address_that_can_be_guessed(gate, filelink):
    links = [await linked(gate, filelink), await linked(gate, filelink, layouts.THUNDERBIRD)]
    by_name = {event.url.rpartition("/")[2]: event.link for event in await gate.events()}  # as that version does
    assert by_name == {f"{link['link']}{HIDDEN}.pdf": link["link"] for link in links}
    shown = [await status(f"http://127.0.0.1:{gate.links_port}/files/{name}") for name in by_name]
    assert shown == [404, 404]


async def test_a_reader_gets_no_address_and_the_id_of_a_link_is_none(gate, filelink):
    link = await linked(gate, filelink)
    async with reader(gate) as auditor:
        listed = await auditor.get("/links")
        shown = await auditor.get(f"/links/{link['link']}")
    assert (listed.status_code, shown.status_code, shown.json()["url"]) == (200, 200, "")
    assert shown.json() == link | {"url": ""}
    assert digits_of(link["url"]) not in listed.text + shown.text
    assert await status(link["url"].replace(digits_of(link["url"]), link["link"])) == 404


async def test_a_link_of_an_earlier_version_works_and_no_reader_gets_its_digits(gate, filelink):
    url = await earlier_link(gate)
    await linked(gate, filelink)
    async with httpx.AsyncClient(timeout=60) as web, reader(gate) as auditor:
        assert (await web.get(url)).content == FILE
        pages = [await auditor.get("/links", params={"limit": 1})]
        pages.append(await auditor.get("/links", params={"limit": 1, "cursor": pages[0].json()["next"]}))
    assert [page.json()["links"][0]["mail"] == "earlier" for page in pages] == [False, True]
    assert [page.text for page in pages if EARLIER in page.text] == []
    assert (await filelink.get(f"/links/{EARLIER}")).json()["url"] == url


async def test_a_filelink_without_its_tables_shows_and_serves_the_same_addresses(gate):
    await gate.account()
    async with gate.filelink() as client:
        await gate.set_links(client)
        link = await linked(gate, client)
    for file in (gate.home / "data").glob("filelink*"):
        file.unlink()
    async with gate.filelink() as client:
        assert (await client.get(f"/links/{link['link']}")).json()["url"] == link["url"]
        assert await status(link["url"]) == 200


async def test_with_another_key_links_work_but_their_addresses_are_not_shown(gate):
    await gate.account()
    async with gate.filelink() as client:
        await gate.set_links(client)
        link = await linked(gate, client)
    (gate.home / "secrets" / "filelink.key").unlink()
    async with gate.filelink() as client:
        assert (await client.get(f"/links/{link['link']}")).json() == link | {"url": ""}
        assert await status(link["url"]) == 200
        later = await linked(gate, client, layouts.THUNDERBIRD)
        assert await status(later["url"]) == 200


def test_an_address_is_the_same_for_a_part_and_another_one_for_each_other():
    def name(mail: str, part: str, key: bytes = b"k" * 32) -> str:
        return LinkAddresses(key).name(mail, part, "pdf")

    assert name("m", "2") == name("m", "2")
    assert len({name("m", "2"), name("m", "3"), name("n", "2"), name("m", "2", b"x" * 32)}) == 4


def test_an_address_is_completed_with_the_id_in_the_event_and_without():
    addresses = LinkAddresses(b"k" * 32)
    name = addresses.name("earlier", "2", "pdf")
    urls = (hidden_url("https://x.test", link_id(name), "pdf"), "https://x.test/files/*.pdf")
    assert [addresses.url(link_event(link_id(name), url)) for url in urls] == [f"https://x.test/files/{name}"] * 2
