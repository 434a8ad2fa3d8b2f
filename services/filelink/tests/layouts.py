"""Mails as common clients lay them out, in wire form; each brings one heavy PDF."""

import base64
import quopri
import random
from urllib.parse import quote

PDF = b"%PDF-1.7\n" + random.Random(4).randbytes(40_000)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
HTML = "<html><head></head><body><p>Caro Bob, perché no?</p></body></html>\r\n"
TEXT = "Caro Bob,\r\nperché no?\r\n"


def encoded(content: bytes, encoding: str) -> bytes:
    """In wire form."""
    if encoding == "base64":
        return base64.encodebytes(content).replace(b"\n", b"\r\n")
    if encoding == "quoted-printable":
        lines = content.split(b"\r\n")
        content = b"\r\n".join(quopri.encodestring(line, quotetabs=False).replace(b"\n", b"\r\n") for line in lines)
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def part(kind: str, content: bytes, encoding: str = "base64", **fields: str) -> bytes:
    """Header and content."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n{more}\r\n"
    return head.encode() + encoded(content, encoding)


def multi(kind: str, edge: str, *parts: bytes, preamble: bytes = b"") -> bytes:
    """Header and content of a multipart."""
    inner = b"".join(b"\r\n--%s\r\n%s" % (edge.encode(), part) for part in parts)
    head = f'Content-Type: multipart/{kind};\r\n\tboundary="{edge}"\r\n\r\n'.encode()
    return head + preamble + inner.removeprefix(b"" if preamble else b"\r\n") + f"\r\n--{edge}--\r\n".encode()


def mail(body: bytes) -> bytes:
    return (
        b"From: Alice <alice@acme.example>\r\nTo: bob@x.example\r\nSubject: the offer\r\n"
        b"MIME-Version: 1.0\r\nMessage-ID: <1@acme.example>\r\n" + body
    )


def text(encoding: str = "quoted-printable", charset: str = "utf-8", content: str = TEXT, more: str = "") -> bytes:
    return part(f"text/plain; charset={charset}{more}", content.encode(charset), encoding)


def html(encoding: str = "quoted-printable", charset: str = "utf-8", content: str = HTML) -> bytes:
    return part(f"text/html; charset={charset}", content.encode(charset), encoding)


def pdf(name: str = "offerta.pdf", content: bytes = PDF, encoding: str = "base64", **fields: str) -> bytes:
    return part(
        f'application/pdf;\r\n\tname="{name}"',
        content,
        encoding,
        **{"Content_Disposition": f'attachment; filename="{name}"', **fields},
    )


def percent(name: str) -> str:
    """As RFC 8187 has it."""
    return quote(name, safe="")


def image() -> bytes:
    return part("image/png; name=logo.png", PNG, Content_ID="<logo@1>", Content_Disposition="inline; filename=logo.png")


OUTLOOK = mail(
    multi(
        "mixed",
        "----=_NextPart_000_0001",
        multi(
            "related",
            "----=_NextPart_001_0002",
            multi("alternative", "----=_NextPart_002_0003", text(charset="iso-8859-1"), html(charset="iso-8859-1")),
            image(),
        ),
        pdf(Content_ID="<F1@acme.example>"),
        preamble=b"This is a multipart message in MIME format.\r\n",
    )
)
APPLE = mail(
    multi(
        "alternative",
        "Apple-Mail=_A",
        text(),
        multi(
            "mixed",
            "Apple-Mail=_B",
            html(),
            pdf(Content_Disposition='inline; filename="offerta.pdf"'),
            html(content="<html><body><div>Alice</div></body></html>"),
        ),
    )
)
GMAIL = mail(
    multi(
        "mixed",
        "000000000000f1",
        multi("alternative", "000000000000f0", text("base64"), html("base64")),
        pdf(Content_ID="<f_m1>", X_Attachment_Id="f_m1"),
    )
)
THUNDERBIRD = mail(
    multi(
        "mixed",
        "------------tb",
        text("8bit", more="; format=flowed"),
        pdf(),
        preamble=b"This is a multi-part message in MIME format.\r\n",
    )
)
LAYOUTS = {"outlook": OUTLOOK, "apple": APPLE, "gmail": GMAIL, "thunderbird": THUNDERBIRD}
