"""A mail with a heavy attachment leaves with a link; all else of it stays as it was."""

import email
import hashlib
import re
from email.message import EmailMessage
from email.policy import default

import httpx
import pytest

from varco_common.events import AttachmentLinked
from varco_common.manifest import scan

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
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("stored", [False, True], ids=["inline", "stored"])
@pytest.mark.parametrize("client", layouts.LAYOUTS)
async def test_every_clients_layout_leaves_with_a_link_in_each_text(gate, filelink, client, stored):
    wire = layouts.LAYOUTS[client]
    mail = await gate.accept(wire, stored=stored, before=b"Received: from pc\r\n", eight_bit=b"\xc3" in wire)
    left = await gate.left(mail)
    before, after = leaves(parsed(wire)), leaves(parsed(left))
    assert [name for _, name, _ in after] == [name for _, name, _ in before if name != "offerta.pdf"]
    texts = {kind: content for kind, name, content in after if not name}  # the last of each kind
    for content in texts.values():
        [url] = {*LINK.findall(content.decode("latin-1"))}
        assert b"(0.04 MB) moved to:" in content
        assert b"The file will be DELETED after twelve months (" in content
        assert b"verra" in content
        assert await fetched(url) == layouts.PDF
    kept = [content for _, name, content in before if name != "offerta.pdf"]
    for old, (kind, _, new) in zip(kept, (leaf for leaf in after), strict=True):
        assert new == old or (kind.startswith("text/") and without(new, old))
    assert not scan(left).defects


def without(new: bytes, old: bytes) -> bool:
    """Whether all of `old` is in `new`, in its order, with one piece put in."""
    return any(old[:at] == new[:at] and new.endswith(old[at:]) for at in range(len(old) + 1))


async def test_the_link_is_said_with_name_size_and_hash(gate, filelink):
    mail = await gate.accept(layouts.GMAIL)
    await gate.left(mail)
    [event] = await gate.said(AttachmentLinked)
    assert (event.mail, event.part, event.name, event.size) == (mail, "2", "offerta.pdf", len(layouts.PDF))
    assert event.sha256 == hashlib.sha256(layouts.PDF).hexdigest()
    assert event.domain == "acme.example"
