"""Mail of common clients has no defects, and all its parts are seen."""

import pytest

from varco_common.mime import Manifest, scan
from varco_common.mime.scanner import scan_or_raise

from .ordinary import ORDINARY


def parts(manifest: Manifest) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(part.path, part.media_type, part.names, part.kind) for part in manifest.parts]


@pytest.mark.parametrize("client", ORDINARY)
def test_ordinary_mail_has_no_defects(client):
    manifest = scan_or_raise(ORDINARY[client])
    assert manifest.defects == ()
    assert manifest.authors
    assert manifest.parts


@pytest.mark.parametrize("client", ORDINARY)
def test_ordinary_mail_without_its_last_line_end_has_no_defects(client):
    assert scan_or_raise(ORDINARY[client].removesuffix(b"\r\n")).defects == ()


def test_outlook():
    manifest = scan(ORDINARY["outlook"])
    assert parts(manifest) == [
        ("1.1.1", "text/plain", (), ""),
        ("1.1.2", "text/html", (), "html"),
        ("1.2", "image/png", ("image001.png",), "png"),
        ("2", "application/pdf", ("Preventivo città.pdf",), "pdf"),
    ]
    assert manifest.subject == "R: Preventivo città"
    assert manifest.authors == ("mario.rossi@acme.example",)
    assert manifest.message_id == "<001d01db2e9f$3a1b2c40$ae5184c0$@acme.example>"
    assert manifest.has_date


def test_exchange():
    assert parts(scan(ORDINARY["exchange"]))[2] == (
        "2",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ("Relazione finale.docx",),
        "ooxml",
    )


def test_apple_mail_says_a_name_in_two_ways():
    assert parts(scan(ORDINARY["apple_mail"]))[2] == ("2.2", "image/jpeg", ("Niccolo\u0300 al mare.jpeg",), "jpeg")


def test_thunderbird_with_two_forwarded_mails_that_share_a_boundary():
    manifest = scan(ORDINARY["thunderbird"])
    name = "Verbale della riunione del 4 novembre.pdf"
    assert parts(manifest) == [
        ("1", "text/plain", (), ""),
        ("2", "application/pdf", (name,), "pdf"),
        ("3", "message/rfc822", ("Re: offerta.eml",), "eml"),
        ("3.1", "text/plain", (), ""),
        ("4", "message/rfc822", ("Re: offerta.eml",), "eml"),
        ("4.1", "text/plain", (), ""),
    ]


def test_a_digest_holds_messages_by_default():
    assert [(path, media_type) for path, media_type, _, _ in parts(scan(ORDINARY["digest"]))] == [
        ("1", "message/rfc822"),
        ("1.1", "text/plain"),
        ("2", "message/rfc822"),
        ("2.1", "text/plain"),
    ]


def test_signed_and_encrypted_mail_is_flagged():
    assert {client for client, mail in ORDINARY.items() if scan(mail).signed} == {"smime"}
    assert {client for client, mail in ORDINARY.items() if scan(mail).encrypted} == {"pgp"}
    assert parts(scan(ORDINARY["smime"]))[1] == ("2", "application/x-pkcs7-signature", ("smime.p7s",), "pkcs7")


def test_tnef_is_named():
    assert parts(scan(ORDINARY["tnef"]))[1] == ("2", "application/ms-tnef", ("winmail.dat",), "tnef")


def test_the_sender_field_of_an_invitation():
    assert scan(ORDINARY["invitation"]).senders == ("calendar@acme.example",)
