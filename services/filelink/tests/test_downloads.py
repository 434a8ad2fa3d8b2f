"""What a link answers: to browsers, to programs, to those who guess, and when it has ended."""

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.events import Language, LinkDownloaded, Notice, NoticeWritten, TimeZoneChosen
from varco_common.mail.dates import format_date
from varco_common.testing.waiting import eventually
from varco_filelink.downloads.byte_ranges import ByteRange, UnsatisfiableRange, requested_range
from varco_filelink.downloads.html_pages import negotiate_language
from varco_filelink.downloads.miss_limiter import MissLimiter
from varco_filelink.downloads.server import content_disposition

from . import layouts

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "it-IT,it;q=0.9,en;q=0.5"}
NAMED = layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf("perche\u0301 no 你.pdf")))


@pytest.fixture
async def url(gate, filelink) -> str:
    """A link to layouts.PDF."""
    await gate.converted_body(await gate.accept(layouts.GMAIL))
    [link] = (await filelink.get("/links")).json()["links"]
    return link["url"]


async def test_a_program_gets_the_file_as_an_attachment_that_nothing_shows(url, web):
    answer = await web.get(url)
    assert answer.content == layouts.PDF
    headers = answer.headers
    assert headers["content-disposition"] == "attachment; filename=\"offerta.pdf\"; filename*=UTF-8''offerta.pdf"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == str(len(layouts.PDF))
    head = await web.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == headers["etag"]
    assert head.headers["content-length"] == headers["content-length"]


async def test_a_browser_gets_a_page_in_its_language_and_the_file_from_its_button(url, web):
    page = await web.get(url, headers=BROWSER)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for seen in ("offerta.pdf", "40 kB", "acme.example", "Disponibile fino al", "Scarica", 'lang="it"'):
        assert seen in page.text
    assert "<script" not in page.text
    english = await web.get(url, headers=BROWSER | {"Accept-Language": "de, en;q=0.3"})
    assert "Available until" in english.text
    assert 'href="?download"' in page.text
    assert (await web.get(url + "?download", headers=BROWSER)).content == layouts.PDF


async def test_a_page_names_the_day_in_the_accounts_zone_and_its_end_in_the_accounts_words(gate, filelink, url, web):
    at = datetime.now(UTC)
    zone = "Pacific/Kiritimati" if at.hour >= 10 else "Pacific/Pago_Pago"  # where it is another day now
    await gate.bus.events.append(TimeZoneChosen(at=at, account="acme", time_zone=zone))
    own = "Finito <qui>.\nChiamare Anna."
    await gate.bus.events.append(
        NoticeWritten(at=at, account="acme", notice=Notice.LINK_REVOKED, language=Language.IT, text=own)
    )
    [link] = (await filelink.get("/links")).json()["links"]
    expires_at = datetime.fromisoformat(link["expires_at"]).astimezone(ZoneInfo(zone))
    day = format_date(Language.IT, expires_at)

    async def page() -> str:
        return (await web.get(url, headers=BROWSER)).text

    async def names_the_day() -> bool:
        return f"<dd>{day}</dd>" in await page()

    await eventually(names_the_day)
    await filelink.post(f"/links/{link['link']}/revoke", json={"reason": "wrong person"})
    assert "<p>Finito &lt;qui&gt;.<br>\nChiamare Anna.</p>" in await page()


async def test_a_range_is_served_and_an_outdated_one_gets_the_whole(url, web):
    whole = await web.get(url)
    etag = whole.headers["etag"]
    part = await web.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, layouts.PDF[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(layouts.PDF)}"
    tail = await web.get(url, headers={"Range": "bytes=-7", "If-Range": etag})
    assert tail.content == layouts.PDF[-7:]
    stale = await web.get(url, headers={"Range": "bytes=-7", "If-Range": '"other"'})
    assert (stale.status_code, stale.content) == (200, layouts.PDF)
    dated = await web.get(url, headers={"Range": "bytes=0-0", "If-Range": whole.headers["last-modified"]})
    assert (dated.status_code, dated.content) == (206, layouts.PDF[:1])
    beyond = await web.get(url, headers={"Range": f"bytes={len(layouts.PDF)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(layouts.PDF)}")
    assert (await web.get(url, headers={"If-None-Match": etag})).status_code == 304


async def test_each_download_is_said_with_its_bytes_and_whether_it_was_whole(gate, filelink, url, web):
    await web.get(url)
    await web.get(url, headers={"Range": "bytes=0-9"})
    await web.head(url)

    async def both():
        events = await gate.events(LinkDownloaded)
        return events if len(events) == 2 else None

    events = await eventually(both)
    assert [(event.sent, event.complete, event.host) for event in events] == [
        (len(layouts.PDF), True, "127.0.0.1"),
        (10, False, "127.0.0.1"),
    ]
    name = url.rpartition("/")[2]
    link = (await filelink.get(f"/links/{name}")).json()
    assert (link["downloads"], link["sent"], len(link["recent"])) == (1, len(layouts.PDF) + 10, 2)


async def test_a_name_that_isnt_ascii_is_given_both_ways(gate, filelink, web):
    await gate.converted_body(await gate.accept(NAMED))
    [link] = (await filelink.get("/links")).json()["links"]
    answer = await web.get(link["url"])
    assert "filename*=UTF-8''perche%CC%81%20no%20%E4%BD%A0.pdf" in answer.headers["content-disposition"]


async def test_unknown_links_are_404_and_guessing_is_slowed(gate, filelink, url, web):
    base = f"http://127.0.0.1:{gate.links_port}"
    assert (await web.get(url.replace(".pdf", ".exe"))).status_code == 404
    for path in ("/", "/files/", "/files/x.pdf", "/files/../x", f"/files/{'0' * 40}.pdf", "/metrics"):
        answer = await web.get(base + path, headers=BROWSER)
        assert answer.status_code == 404
        assert "Il file non esiste" in answer.text
    for _ in range(40):
        last = await web.get(f"{base}/files/{'1' * 40}.pdf")
    assert (last.status_code, last.headers["retry-after"]) == (429, "60")
    assert (await web.get(url)).status_code == 429, "whether there is such a link isn't said either"


async def test_a_download_that_breaks_off_is_said_as_incomplete(gate, filelink, web):
    big = layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf(content=bytes(12_000_000))))
    await gate.converted_body(await gate.accept(big, stored=True))
    [link] = (await filelink.get("/links")).json()["links"]
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.links_port, limit=65_536)
    path = link["url"].partition(f":{gate.links_port}")[2]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    [event] = await eventually(lambda: gate.events(LinkDownloaded))
    assert not event.complete
    assert event.sent < 12_000_000


AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


@given(st.integers(1, 300), st.integers(0, 400), st.integers(0, 400))
def test_a_range_never_leaves_the_file(size, low, high):
    for text in (f"bytes={low}-{high}", f"bytes={low}-", f"bytes=-{high}"):
        try:
            span = requested_range(size, text, None, '"e"', AT)
        except UnsatisfiableRange:
            assert low >= size or high == 0
        else:
            assert 0 <= span.start < span.end <= size


@pytest.mark.parametrize("text", [None, "", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b"])
def test_what_is_no_single_range_means_the_whole_file(text):
    assert requested_range(100, text, None, '"e"', AT) == ByteRange(0, 100)


def test_a_weak_tag_and_another_date_are_not_the_same_file():
    for if_range in ('W/"e"', "Fri, 02 Jan 2026 03:04:06 GMT", "nonsense"):
        assert requested_range(100, "bytes=1-2", if_range, '"e"', AT) == ByteRange(0, 100)
    assert requested_range(100, "bytes=1-2", "Fri, 02 Jan 2026 03:04:05 GMT", '"e"', AT) == ByteRange(
        1, 3, partial=True
    )


def test_a_name_cant_break_out_of_its_header():
    assert content_disposition('a";\r\nX: y\\.pdf') == (
        "attachment; filename=\"a____X: y_.pdf\"; filename*=UTF-8''a%22%3B%0D%0AX%3A%20y%5C.pdf"
    )


@pytest.mark.parametrize(
    ("accept", "speaks"),
    [
        ("", Language.EN),
        ("it", Language.IT),
        ("en, it;q=0.5", Language.EN),
        ("de, it;q=0.5", Language.IT),
        ("it;q=0", Language.EN),
        ("fr", Language.EN),
        (",,;q=x", Language.EN),
    ],
)
def test_the_page_speaks_what_the_browser_likes(accept, speaks):
    assert negotiate_language(accept) is speaks


@pytest.mark.parametrize(
    ("proxies", "forwarded", "host"),
    [
        ((), "198.51.100.7", "127.0.0.1"),
        (("127.0.0.0/8",), "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (("127.0.0.0/8", "10.0.0.0/8"), "198.51.100.7, 10.9.9.9", "198.51.100.7"),
        (("127.0.0.0/8",), "", "127.0.0.1"),
    ],
)
async def test_only_a_listed_proxy_names_the_client(gate, web, proxies, forwarded, host):
    await gate.account()
    async with gate.filelink(proxies=proxies) as client:
        await gate.set_links(client)
        await gate.converted_body(await gate.accept(layouts.GMAIL))
        [link] = (await client.get("/links")).json()["links"]
        await web.get(link["url"], headers={"X-Forwarded-For": forwarded} if forwarded else {})
        [event] = await eventually(lambda: gate.events(LinkDownloaded))
        assert event.host == host


def test_misses_are_counted_by_address_and_forgotten_after_a_minute():
    now = 100.0
    limiter = MissLimiter(2, lambda: now)
    limiter.add_miss("2001:db8::1")
    now = 130.0
    limiter.add_miss("2001:db8::1")
    assert limiter.is_blocked("2001:db8::2"), "one /64 is one client"
    assert not limiter.is_blocked("2001:db8:0:1::1")
    now = 161.0
    assert not limiter.is_blocked("2001:db8::1"), "a minute after the first miss"
