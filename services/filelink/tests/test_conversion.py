"""A mail with a heavy attachment leaves with a link; all else of it stays as it was."""

import difflib
import email
import hashlib
import re
from email.message import EmailMessage
from email.policy import default

import httpx
import pytest

from varco_common.events import AttachmentLinked
from varco_common.mime import scan
from varco_common.storage.directory_store import DirectoryStore

from . import layouts

LINK = re.compile(r"http://127\.0\.0\.1:\d+/files/[0-9a-f]{40}\.[a-z0-9]+")


def parsed(wire: bytes) -> EmailMessage:
    return email.message_from_bytes(wire.replace(b"\r\n..", b"\r\n."), policy=default)  # type: ignore[return-value]


def leaves(message: EmailMessage) -> list[tuple[str, str | None, bytes]]:
    return [
        (part.get_content_type(), part.get_filename(), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]


async def fetched(url: str) -> bytes:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("stored", [False, True], ids=["inline", "stored"])
@pytest.mark.parametrize("client", layouts.LAYOUTS)
async def test_every_clients_layout_leaves_with_a_link_in_each_text(gate, filelink, client, stored):
    wire = layouts.LAYOUTS[client]
    mail = await gate.accept(wire, stored=stored, before=b"Received: from pc\r\n", eight_bit=b"\xc3" in wire)
    left = await gate.converted_body(mail)
    before, after = leaves(parsed(wire)), leaves(parsed(left))
    assert [name for _, name, _ in after] == [name for _, name, _ in before if name != "offerta.pdf"]
    texts = {kind: content for kind, name, content in after if not name}  # the last of each kind
    for content in texts.values():
        [url] = {*LINK.findall(content.decode("latin-1"))}
        assert b"(40 kB) moved to:" in content
        assert b"The file will be DELETED after twelve months (" in content
        assert re.search(rb"verr(\xe0|\xc3\xa0|a'|&#224;)", content)
        assert await fetched(url) == layouts.PDF
    kept = [content for _, name, content in before if name != "offerta.pdf"]
    for old, (kind, _, new) in zip(kept, (leaf for leaf in after), strict=True):
        assert new == old or (kind.startswith("text/") and without(new, old))
    assert not scan(left).defects


@pytest.mark.parametrize("client", layouts.LAYOUTS)
async def test_line_by_line_all_stays_but_the_file_and_the_place_of_the_notice(gate, filelink, client):
    """The notice may split a line; in base64 the lines behind it are encoded again."""
    wire = layouts.LAYOUTS[client]
    left = await gate.converted_body(await gate.accept(wire, eight_bit=b"\xc3" in wire))
    [file] = [part for part in scan(wire).parts if "offerta.pdf" in part.names]
    begins = wire.rindex(b"\r\n--", 0, file.start)
    lines = (wire[:begins] + wire[file.end :]).split(b"\r\n")
    unlike = difflib.SequenceMatcher(None, lines, left.split(b"\r\n"), autojunk=False).get_opcodes()
    touched = [lines[start:end] for kind, start, end, _, _ in unlike if kind != "equal"]
    assert len(touched) <= 2, "one place in each text"
    assert all(len(place) <= 2 for place in touched)


def without(new: bytes, old: bytes) -> bool:
    """Whether all of `old` is in `new`, in its order, with one piece put in."""
    return any(old[:at] == new[:at] and new.endswith(old[at:]) for at in range(len(old) + 1))


async def test_the_link_is_said_with_name_size_and_hash(gate, filelink):
    mail = await gate.accept(layouts.GMAIL)
    await gate.converted_body(mail)
    [event] = await gate.events(AttachmentLinked)
    assert (event.mail, event.part, event.name, event.size) == (mail, "2", "offerta.pdf", len(layouts.PDF))
    assert event.sha256 == hashlib.sha256(layouts.PDF).hexdigest()
    assert event.domain == "acme.example"


def attached(left: bytes) -> list[bytes]:
    """The links in the mail, each once, in their order."""
    links = LINK.findall(b"\n".join(content for _, _, content in leaves(parsed(left))).decode("utf-8", "replace"))
    return [*dict.fromkeys(links)]


LINES = b"".join(b".%d: perch\xc3\xa9 no = forse?\r\n" % number for number in range(1_500))


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("base64", layouts.PDF),
        ("quoted-printable", LINES),
        ("7bit", LINES.replace(b"\xc3\xa9", b"e'")),
        ("8bit", LINES),
    ],
)
async def test_a_file_of_any_encoding_comes_out_as_it_was(gate, filelink, encoding, content):
    wire = layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.pdf(content=content, encoding=encoding)))
    [url] = attached(await gate.converted_body(await gate.accept(wire)))
    assert await fetched(url) == content


async def test_several_attachments_make_one_block(gate, filelink):
    files = [layouts.PDF + bytes([number]) for number in range(3)]
    parts = [layouts.pdf(f"file {number}.pdf", content) for number, content in enumerate(files)]
    wire = layouts.mail(layouts.multi("mixed", "m", layouts.text(), parts[0], layouts.image(), *parts[1:]))
    left = await gate.converted_body(await gate.accept(wire))
    [(_, _, text), (kind, _, picture)] = leaves(parsed(left))
    assert text.count(b"ELIMINATI dopo") == 1
    assert (kind, picture) == ("image/png", layouts.PNG)
    assert [await fetched(url) for url in attached(left)] == files


@pytest.mark.parametrize(
    "wire",
    [
        layouts.mail(layouts.multi("mixed", "m", layouts.pdf())),
        layouts.mail(layouts.pdf()),
        layouts.mail(layouts.multi("mixed", "m", layouts.text("base64", "utf-16"), layouts.pdf())),
        layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.multi("mixed", "i", layouts.pdf()))),
    ],
    ids=["no text", "the mail is the file", "a text in UTF-16", "a multipart that would be empty"],
)
async def test_where_no_text_can_take_it_the_notice_is_a_part_of_its_own(gate, filelink, wire):
    left = await gate.converted_body(await gate.accept(wire, before=b"Received: from pc\r\n"))
    message = parsed(left)
    kind, name, content = leaves(message)[-1]
    assert (kind, name) == ("text/plain", None)
    assert content.startswith(b"[offerta.pdf] (40 kB) moved to:")
    assert message["Subject"] == "the offer"
    assert message["MIME-Version"] == "1.0"
    [url] = attached(left)
    assert await fetched(url) == layouts.PDF
    assert not scan(left).defects
    kept = leaves(parsed(wire))[:-1]
    assert [leaf[0] for leaf in leaves(message)[:-1]] == [leaf[0] for leaf in kept]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("filename*=UTF-8''perch%C3%A9%20no.pdf", "perché no.pdf"),
        ('filename="=?utf-8?B?cGVyY2jDqSBuby5wZGY=?="', "perché no.pdf"),
        ('filename="perché no.pdf"', "perché no.pdf"),
    ],
)
async def test_a_name_of_eight_bits_is_read_and_shown(gate, filelink, field, name):
    part = layouts.part("application/pdf", layouts.PDF, Content_Disposition=f"attachment; {field}")
    wire = layouts.mail(layouts.multi("mixed", "m", layouts.text(), layouts.html(), part))
    left = await gate.converted_body(await gate.accept(wire))
    [event] = await gate.events(AttachmentLinked)
    assert event.name == name
    (_, _, text), (_, _, html) = leaves(parsed(left))
    assert f"[{name}]" in text.decode()
    assert "[<bdi>perch&#233; no.pdf</bdi>]" in html.decode()


async def test_a_name_that_the_text_cannot_hold_is_shown_whole_and_only_that_part_changes(gate, filelink):
    field = f"attachment; filename*=UTF-8''{layouts.percent('Отчёт № 5.pdf')}"
    file = layouts.part("application/pdf", layouts.PDF, Content_Disposition=field)
    text = layouts.text("7bit", "us-ascii", "Dear Bob,\r\nsee = the file\r\n")
    wire = layouts.mail(layouts.multi("mixed", "m", layouts.multi("alternative", "a", text, layouts.html()), file))
    left = await gate.converted_body(await gate.accept(wire, before=b"Received: from pc\r\n"))
    (_, _, plain), (_, _, html) = leaves(parsed(left))
    assert plain.startswith(b"Dear Bob,\r\nsee = the file\r\n\r\n")
    assert "[Отчёт № 5.pdf] (" in plain.decode()
    assert "&#1054;&#1090;&#1095;" in html.decode()
    assert left.isascii()
    assert not scan(left).defects


async def test_what_is_large_besides_travels_through_the_store(gate, monkeypatch):
    monkeypatch.setattr(DirectoryStore, "inline_bytes", 50_000)
    await gate.account()
    async with gate.filelink() as client:
        await gate.set_links(client)
        photos = [layouts.part("image/png", bytes(9_000), Content_Disposition="attachment; filename=p.png")] * 20
        wire = layouts.mail(layouts.multi("mixed", "m", layouts.text(), *photos, layouts.pdf()))
        mail = await gate.accept(wire, stored=True)
        left = await gate.converted_body(mail)
    [stored] = await gate.converted(mail)
    assert stored.record.body.object.startswith(f"{mail}.")
    assert [content for _, name, content in leaves(parsed(left)) if name] == [bytes(9_000)] * 20
