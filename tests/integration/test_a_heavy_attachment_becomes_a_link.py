"""A mail over its account's limit passes if its attachment can become a link."""

import base64
import email
import hashlib
import random
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP

import httpx
import pytest

from tests.integration.conftest import Hop
from tests.integration.gate import Gate, transact, wait_for
from varco_common.events import AttachmentLinked, LinkDownloaded, MailDelivered

PDF = b"%PDF-1.7\n" + random.Random(7).randbytes(4_000_000)
STUDIO = """\
account: studio
language: [en, it]
time_zone: Europe/Rome
senders: ["@studio.test"]
networks: ["127.0.0.9/32"]
route: {{smarthost: "127.0.0.1:{port}", tls: none}}
rules: {{max_size: 2MB, attachments: {{allow: [pdf]}}}}
filelink: {{over: 1MB, keep: 12 months}}
"""


@pytest.fixture
def recipient() -> str:
    return f"{uuid.uuid4().hex[:8]}@dest.test"


def letter(*, signed: bool = False) -> bytes:
    """Returns 5.4 MB in wire form."""
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Subject"] = "anna@studio.test", "bob@dest.test", "i disegni"
    mail.set_content("Ecco i disegni.\n")
    mail.add_alternative("<html><body><p>Ecco i disegni.</p></body></html>", subtype="html")
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="disegni più grandi.pdf")
    wire = mail.as_bytes().replace(b"\r\n.", b"\r\n..")
    return wire.replace(b"multipart/mixed", b"multipart/signed; protocol=application/x; micalg=y") if signed else wire


def test_a_mail_over_the_limit_leaves_with_a_link_to_its_file(gate: Gate, hop: Hop, recipient: str) -> None:
    gate.apply(STUDIO.format(port=hop.server.port))
    shown = gate.json("show", "studio")["filelink"]
    assert (shown["over"], shown["keep"]) == ("1MB", "12 months")
    with gate.smtp("127.0.0.9") as client:
        wire = letter()
        answer = transact(client, "anna@studio.test", [recipient], wire, f"SIZE={len(wire)}")
    assert answer[0] == 250, answer
    came = email.message_from_bytes(hop.mail_for(recipient).content)
    texts = [part.get_payload(decode=True) for part in came.walk() if not part.is_multipart()]
    assert len(texts) == 2, "the attachment isn't there any more"
    words = [re.sub("verr(à|a'|&#224;)", "verrà", text.decode()) for text in texts]
    assert all("moved to:" in text and "Il file verrà ELIMINATO dopo dodici mesi" in text for text in words)
    [url] = {found for text in texts for found in re.findall(rb"http://[\w.:]+/files/[0-9a-f]{40}\.pdf", text)}
    assert httpx.get(url.decode()).content == PDF
    links = [event for event in gate.events("attachment-linked") if isinstance(event, AttachmentLinked)]
    [linked] = [link for link in links if link.link == gate.json("links", "show", url.decode())["link"]]
    assert (linked.name, linked.size) == ("disegni più grandi.pdf", len(PDF))
    [download] = wait_for(lambda: downloads_of(gate, linked.link))
    assert download.complete
    operated(gate, url.decode())
    delivered = [one for one in gate.events("mail-delivered") if isinstance(one, MailDelivered)]
    assert [one.mail for one in delivered if recipient in one.recipients] == [linked.mail]


def downloads_of(gate: Gate, link: str) -> list[LinkDownloaded]:
    return [one for one in gate.events("link-downloaded") if isinstance(one, LinkDownloaded) and one.link == link]


def operated(gate: Gate, url: str) -> None:
    """Checks what an operator sees and does: the download, the extension, the end."""
    live = gate.json("links", "list", "--account", "studio", "--state", "live")["links"]
    [listed] = [one for one in live if one["url"] == url]
    assert (listed["url"], listed["downloads"], listed["sent"]) == (url, 1, len(PDF))
    assert listed["link"] in gate.varco("links", "list").stdout
    shown = gate.json("links", "show", url)
    assert [(one["host"], one["sent"], one["complete"]) for one in shown["recent"]] == [("127.0.0.1", len(PDF), True)]
    longer = gate.json("links", "extend", shown["link"], "--by", "30 days", "--reason", "a test")
    before, after = (datetime.fromisoformat(one["expires_at"]) for one in (shown, longer))
    assert after - before == timedelta(days=30)
    assert gate.json("links", "revoke", f"{url}?download", "--reason", "a test")["state"] == "revoked"
    assert httpx.get(url).status_code == 410
    assert gate.varco("links", "show", "0" * 40).returncode == 1


def pieces(digest: "hashlib._Hash", lines: int) -> Iterator[bytes]:
    """Yields a mail with a heavy PDF, one MB at a time, so that no client must hold it."""
    block = random.Random(60).randbytes(57 * 16_384)
    yield (
        b"From: anna@studio.test\r\nSubject: il filmato\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="e"\r\n\r\n--e\r\nContent-Type: text/plain\r\n\r\nEcco.\r\n'
        b'--e\r\nContent-Type: application/pdf; name="grande.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        b'Content-Disposition: attachment; filename="grande.pdf"\r\n\r\n'
    )
    for start in [b"%PDF-1.7" + block[8:], *[block] * (lines // 16_384)]:
        digest.update(start)
        yield base64.encodebytes(start).replace(b"\n", b"\r\n")
    yield b"--e--\r\n"


def test_a_mail_of_60_mb_passes_a_limit_of_20_mb(own_gate: Callable[..., Gate], hop: Hop, recipient: str) -> None:
    """All services run in one process, as on a small machine."""
    gate = own_gate(VARCO_PROCESSES="one")
    gate.apply(STUDIO.format(port=hop.server.port).replace("2MB", "20MB").replace("1MB", "10MB"))
    digest = hashlib.sha256()
    with gate.smtp("127.0.0.9") as client:
        for command in ("MAIL FROM:<anna@studio.test> SIZE=60000000", f"RCPT TO:<{recipient}>", "DATA"):
            assert client.docmd(command)[0] in {250, 354}
        sent = 0
        for piece in pieces(digest, 60_000_000 // 78):
            client.send(piece)
            sent += len(piece)
        client.send(b".\r\n")
        assert client.getreply()[0] == 250
    assert sent > 59_000_000
    came = hop.mail_for(recipient).content.replace(b"=\r\n", b"")
    assert len(came) < 5_000
    [url] = re.findall(rb"http://[\w.:]+/files/[0-9a-f]{40}\.pdf", came)
    assert hashlib.sha256(httpx.get(url.decode()).content).digest() == digest.digest()


def test_a_signed_mail_over_the_limit_is_refused_and_told_why(gate: Gate, hop: Hop, recipient: str) -> None:
    gate.apply(STUDIO.format(port=hop.server.port))
    with gate.smtp("127.0.0.9") as client:
        code, text = transact(client, "anna@studio.test", [recipient], letter(signed=True))
    assert (code, text[:5]) == (552, "5.3.4")
    assert "limite di dimensione" in text
    assert "non possono diventare link" in text


def test_a_text_that_is_too_big_is_refused_all_the_same(gate: Gate, hop: Hop, recipient: str) -> None:
    gate.apply(STUDIO.format(port=hop.server.port))
    long = b"From: anna@studio.test\r\nSubject: x\r\n\r\n" + b"parole parole parole\r\n" * 120_000
    with gate.smtp("127.0.0.9") as client:
        assert transact(client, "anna@studio.test", [recipient], long)[0] == 552
