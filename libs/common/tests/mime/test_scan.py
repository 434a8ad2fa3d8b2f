"""What else a manifest says: files in texts, kinds, signatures, and what ingress needs to mend a
mail.
"""

import base64
import binascii
import json
import subprocess
import sys

import msgspec
import pytest

from varco_common.mime import MAX_MANIFEST_BYTES, Defect, Part
from varco_common.mime.binhex import file_name
from varco_common.mime.file_kinds import detect_kind
from varco_common.mime.scanner import scan_or_raise

FROM = b"From: a@b.example\r\n"
MIXED = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n\r\n"
EXE = b"MZ\x90\0\x03\0\0\0" + bytes(50)
UUENCODED = b"begin 644 a.exe\r\n" + binascii.b2a_uu(EXE[:45]).replace(b"\n", b"\r\n") + b"`\r\nend\r\n"


def files(mail: bytes) -> list[tuple[str, tuple[str, ...], str, str]]:
    return [(part.path, part.names, part.encoding, part.kind) for part in scan_or_raise(mail).parts[1:]]


def test_a_uuencoded_file_in_a_text_is_named():
    mail = FROM + b"\r\nhello\r\n" + UUENCODED + b"bye\r\n"
    assert files(mail) == [("1/1", ("a.exe",), "uuencode", "exe")]
    part = scan_or_raise(mail).parts[1]
    assert mail[part.start : part.end] == UUENCODED


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_uuencoded_file_in_an_encoded_text_is_named(encoding, end):
    text = (b"hello\r\n" + UUENCODED).replace(b"\r\n", end)
    body = base64.encodebytes(text) if encoding == "base64" else binascii.b2a_qp(text)
    mail = FROM + b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n"
    mail += body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert files(mail) == [("1/1", ("a.exe",), "uuencode", "exe")]


BINHEX = b"""\r\n(This file must be converted with BinHex 4.0)\r\n\r\n:%s!#3!!:\r\n"""


def binhexed(name: bytes, written: bytes = b"") -> bytes:
    """The digits of a name, as it is or as it is `written` with runs, and of what the file's header
    says besides.
    """
    digits = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
    packed = bytes([len(name)]) + (written or name) + bytes(21)
    bits = "".join(f"{byte:08b}" for byte in packed)
    return bytes(digits[int(bits[at : at + 6].ljust(6, "0"), 2)] for at in range(0, len(bits), 6))


def test_a_binhexed_file_in_a_text_is_named():
    mail = FROM + b"\r\nsee below" + BINHEX % binhexed(b"a.exe") + b"bye\r\n"
    assert files(mail) == [("1/1", ("a.exe",), "binhex", "")]


def test_a_run_in_a_binhexed_name_is_written_out():
    assert file_name(binhexed(b"aaaa.exe", b"a\x90\x04.exe")) == b"aaaa.exe"
    assert file_name(binhexed(b"\x90.exe", b"\x90\0.exe")) == b"\x90.exe"
    assert file_name(b"~") == b""


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (b"Content-Type: application/x-y\r\nContent-Location: http://x.example/y/a.exe?b=1.txt", ("a.exe",)),
        (b"Content-Type: application/x-y\r\nContent-Location: a%20b.exe", ("a%20b.exe", "a b.exe")),
        (b"Content-Type: application/x-y\r\nContent-Location: http://x.example", ()),
        (b"Content-Type: application/pdf; name=b.pdf\r\nContent-Location: a.exe", ("b.pdf",)),
        (b"Content-Type: image/png\r\nContent-Location: http://x.example/pixel.php", ()),
        (b"Content-Type: text/html\r\nContent-Location: file:///C:/x/a.html", ()),
    ],
)
def test_a_location_is_a_name_where_a_file_has_no_other(fields, named):
    [part] = scan_or_raise(FROM + fields + b"\r\n\r\nx").parts
    assert part.names == named


def test_a_uuencoded_file_behind_a_megabyte_of_text_keeps_its_offsets():
    for filler in (b"x" * 76 + b"\r\n", b"x"):
        before = filler * (2_500_000 // len(filler)) + b"\r\n"
        mail = FROM + b"\r\n" + before + UUENCODED
        part = scan_or_raise(mail).parts[1]
        assert mail[part.start : part.end] == UUENCODED


def test_a_uuencoded_file_across_base64_pieces_is_found():
    for shift in range(6):
        text = b"x" * (1_035_000 // 78 * 57 + shift * 7) + b"\n" + UUENCODED.replace(b"\r\n", b"\n") + b"y\n" * 99
        body = base64.encodebytes(text).replace(b"\n", b"\r\n")
        mail = FROM + b"Content-Transfer-Encoding: base64\r\n\r\n" + body
        assert [part.names for part in scan_or_raise(mail).parts[1:]] == [("a.exe",)]


def test_yenc_is_named():
    mail = FROM + b"\r\n=ybegin line=128 size=3 name=a b.exe\r\nabc\r\n=yend size=3\r\n"
    assert files(mail) == [("1/1", ("a b.exe",), "yenc", "")]


def test_an_unclosed_file_ends_with_its_text():
    mail = FROM + b"\r\nbegin 644 a.exe\r\nM\r\nbegin 755 b.exe\r\nM\r\n"
    assert [part.names for part in scan_or_raise(mail).parts] == [(), ("a.exe",), ("b.exe",)]
    assert scan_or_raise(mail).parts[2].end == len(mail)


def test_prose_that_begins_is_no_file():
    assert not files(FROM + b"\r\nbegin reading here\r\nbegin 12 things\r\n")


@pytest.mark.parametrize("media_type", [b"text/plain", b"text/html", b"text/plain; name=a.txt"])
@pytest.mark.parametrize(
    "line", [b"begin 2026 in overleg met de klant.", b"begin 200 lines below\r\nMy text", b"begin 644 a.exe\r\nmore"]
)
def test_a_begin_without_data_is_no_file(media_type, line):
    assert not files(FROM + b"Content-Type: " + media_type + b"\r\n\r\n" + line + b"\r\n")


@pytest.mark.parametrize(
    "data", [UUENCODED[17:], UUENCODED[17:].replace(b"`", b" "), b"X\r\n" + UUENCODED[17:], b"M\r\n"]
)
def test_a_begin_with_data_is_a_file(data):
    assert [names for _, names, _, _ in files(FROM + b"\r\nbegin 644 a.exe\r\n" + data)] == [("a.exe",)]


DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"


def p7m(content: bytes, oid: bytes = b"\x02") -> bytes:
    """A signed document, as far as the scan looks at one."""
    octets = b"\x04\x82" + len(content).to_bytes(2, "big") + content
    start = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07" + oid + b"\xa0\x80\x30\x80\x02\x01\x01\x31\x00"
    return base64.encodebytes(start + b"\x30\x80" + DATA + b"\xa0\x80\x24\x80" + octets).replace(b"\n", b"\r\n")


def with_p7m(content: bytes, name: bytes = b"contratto.pdf.p7m") -> bytes:
    head = b"Content-Type: application/pkcs7-mime; name=" + name + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return MIXED + b"--X\r\n\r\nhello\r\n--X\r\n" + head + content + b"--X--\r\n"


def test_a_signed_document_beside_a_text_is_no_smime_and_its_content_is_seen():
    manifest = scan_or_raise(with_p7m(p7m(b"%PDF-1.7\n")))
    assert not manifest.signed
    assert not manifest.encrypted
    assert [(part.path, part.names, part.kind) for part in manifest.parts[1:]] == [
        ("2", ("contratto.pdf.p7m",), "pkcs7"),
        ("2/1", ("contratto.pdf",), "pdf"),
    ]


def test_a_program_inside_a_signed_document_is_seen():
    assert scan_or_raise(with_p7m(p7m(EXE))).parts[-1].kind == "exe"
    assert scan_or_raise(with_p7m(p7m(EXE), b"a.p7m")).parts[-1].kind == "exe"


def test_an_enveloped_document_is_told_from_a_signed_one():
    assert scan_or_raise(with_p7m(p7m(b"", b"\x03"))).parts[1].kind == "pkcs7-enveloped"


@pytest.mark.parametrize(
    "text", [b"CWS;", b"FWS 2026", b"ID3;", b"MSCF", b"ISc(", b"BZhao", b"070707 tel", b"abc ftypical", b"MZ is it"]
)
def test_a_text_that_begins_like_a_binary_format_is_text(text):
    assert detect_kind(text + b" and so on\r\n\xc3\xa8 text\r\n") == ""


@pytest.mark.parametrize("head", [b"MZ\x90\x01\x03", b"\x7fELF\x02\x01\x01"])
def test_the_first_bytes_of_a_program_in_an_8bit_text_are_seen(head):
    mail = FROM + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + head + b"\xe8 hello\r\n"
    assert scan_or_raise(mail).parts[0].kind in ("exe", "elf")


def test_binhex_under_another_name_is_a_kind():
    text = b"(This file must be converted with BinHex 4.0)\r\n\r\n:" + binhexed(b"a.exe") + b":\r\n"
    mail = FROM + b"Content-Type: application/pdf; name=a.pdf\r\n\r\n" + text
    assert scan_or_raise(mail).parts[0].kind == "binhex"


@pytest.mark.parametrize(
    ("text", "signed", "encrypted"),
    [
        (b"-----BEGIN PGP SIGNED MESSAGE-----", True, False),
        (b"Look:\r\n\r\n-----BEGIN PGP MESSAGE-----", False, True),
        (b"I quote -----BEGIN PGP MESSAGE-----", False, False),
    ],
)
def test_inline_pgp_is_flagged(text, signed, encrypted):
    manifest = scan_or_raise(FROM + b"\r\n" + text + b"\r\n\r\nabc\r\n")
    assert (manifest.signed, manifest.encrypted) == (signed, encrypted)


@pytest.mark.parametrize(("smime", "signed"), [(b"signed-data", True), (b"enveloped-data", False), (b"", False)])
def test_opaque_smime_is_flagged(smime, signed):
    mail = FROM + b"Content-Type: application/pkcs7-mime; smime-type=" + smime + b"; name=smime.p7m\r\n\r\nx"
    manifest = scan_or_raise(mail)
    assert (manifest.signed, manifest.encrypted) == (signed, not signed)


def test_a_message_with_a_file_s_name_is_listed_with_it():
    mail = FROM + b"Content-Type: message/rfc822; name=a.exe\r\n\r\nSubject: x\r\n\r\nhello\r\n"
    assert scan_or_raise(mail).parts[0] == Part(
        path="1",
        media_type="message/rfc822",
        start=63,
        end=len(mail),
        size=len(mail) - 63,
        names=("a.exe",),
        kind="eml",
    )


def test_a_multipart_with_a_name_is_listed_with_it():
    mail = FROM + b"Content-Type: multipart/mixed; boundary=X; name=a.exe\r\n\r\n--X\r\n\r\nhello\r\n--X--\r\n"
    assert [(part.path, part.names) for part in scan_or_raise(mail).parts] == [("0", ("a.exe",)), ("1", ())]


def test_an_attached_multipart_is_numbered_as_imap_does():
    inner = b"Content-Type: multipart/mixed; boundary=Y\r\n\r\n--Y\r\n\r\na\r\n--Y\r\n\r\nb\r\n--Y--\r\n"
    mail = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n\r\n--X\r\n" + inner
    mail += (
        b"--X\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"--X\r\nContent-Type: message/rfc822\r\n\r\n\r\nc\r\n--X--\r\n"
    )
    assert [part.path for part in scan_or_raise(mail).parts] == ["1.1", "1.2", "2", "2.1", "2.2", "3", "3.1"]


def test_dots_are_undone_for_sizes():
    mail = FROM + b"Content-Type: x/y\r\n\r\n..a\r\n...\r\nb"
    assert scan_or_raise(mail).parts[0].size == len(b".a\r\n..\r\nb")


def test_what_ingress_mends_with():
    head = b"Bcc: x@y.example,\r\n z@y.example\r\n" + FROM + b"bcc : q\r\nResent-Bcc: r\r\nMessage-ID: \r\n <i@d>\r\n"
    manifest = scan_or_raise(head + b"\r\nBcc: no\r\n")
    assert [head[start:end] for start, end in manifest.bcc] == [
        b"Bcc: x@y.example,\r\n z@y.example\r\n",
        b"bcc : q\r\nResent-Bcc: r\r\n",
    ]
    assert manifest.header_end == len(head)
    assert manifest.message_id == "<i@d>"
    assert not manifest.has_date


@pytest.mark.parametrize("mail", [b"From: a@b.example", FROM, FROM + b"\r\n"])
def test_a_mail_without_a_body_is_ordinary(mail):
    manifest = scan_or_raise(mail)
    assert manifest.defects == ()
    assert manifest.header_end == min(len(mail), len(FROM))
    assert manifest.parts[0].size == 0


def test_a_subject_is_decoded_and_cut():
    mail = b"Subject: =?utf-8?B?w6g=?= =?iso-8859-1?Q?_=E8?= " + b"x" * 300 + b"\r\n" + FROM + b"\r\n"
    assert scan_or_raise(mail).subject == ("è è " + "x" * 300)[:200]


@pytest.mark.parametrize("claims", [1, 40])
@pytest.mark.parametrize("parts", [0, 450])
@pytest.mark.parametrize("name", ["a", "\U0001f4c4" * 50, "\xff" * 200])
def test_a_manifest_is_never_too_big(claims, parts, name):
    address = b"\xff" * 300 + b"@b.example"
    claim = b", ".join(address.replace(b"\xff", b"%d\xff" % n, 1) for n in range(claims))
    mail = (
        b"From: "
        + claim
        + b"\r\nSender: "
        + claim
        + b"\r\nSubject: "
        + b"\xff" * 500
        + b"\r\nMessage-ID: "
        + b"\xff" * 500
    )
    mail += b"\r\nContent-Type: multipart/mixed; boundary=X\r\n" + b"Bcc: x\r\nX: y\r\n" * 300 + b"\r\n"
    part = (
        b"--X\r\nContent-Type: x/"
        + b"\xff" * 200
        + b'\r\nContent-Disposition: x; filename="'
        + name.encode()
        + b'.pdf"\r\n\r\nx\r\n'
    )
    manifest = scan_or_raise(mail + part * parts + b"--X--\r\n")
    assert len(json.dumps(msgspec.to_builtins(manifest))) < MAX_MANIFEST_BYTES
    assert Defect.MANIFEST_CUT.value in manifest.defects or len(manifest.parts) == parts
    assert manifest.authors


def test_sixty_pictures_fit():
    count = 60
    head = b'--X\r\nContent-Type: image/jpeg; name="IMG_20240101_%06d.jpg"\r\n'
    part = head + b"Content-Transfer-Encoding: base64\r\n\r\n/9j/4A==\r\n"
    pictures = b"".join(part % number for number in range(count))
    mail = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n\r\n" + pictures + b"--X--\r\n"
    manifest = scan_or_raise(mail)
    assert manifest.defects == ()
    assert [part.kind for part in manifest.parts] == ["jpeg"] * count


ISO = bytes(0x8001) + b"CD001" + bytes(9_000)
TAR = b"a.txt" + bytes(252) + b"ustar\x0000" + bytes(200)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (EXE, "exe"),
        (b"MZ is a text\r\n" * 9, ""),
        (b"\x7fELF\x02\x01", "elf"),
        (b"\xcf\xfa\xed\xfe\x07", "macho"),
        (b"\xca\xfe\xba\xbe", "class"),
        (b"#!/bin/sh\n", "script"),
        (b"#! /usr/bin/env python\n", "script"),
        (b"#!not", ""),
        (b"@ECHO OFF\r\n", "script"),
        (b"<?php ", "script"),
        (b"PK\x03\x04" + bytes(22) + b"\x05\0\0\0a.txt", "zip"),
        (b"PK\x03\x04" + bytes(22) + b"\x14\0\0\0META-INF/MANIFEST.MF", "jar"),
        (b"PK\x03\x04" + bytes(22) + b"\x13\0\0\0[Content_Types].xml", "ooxml"),
        (b"PK\x03\x04" + bytes(22) + b"\x08\0\0\0mimetypeapplication/vnd.oasis", "odf"),
        (b"PK\x05\x06", "zip"),
        (b"Rar!\x1a\x07\x01\0", "rar"),
        (b"7z\xbc\xaf\x27\x1c\0", "7z"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"MSCF\0", "cab"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b"%PDF-1.7", "pdf"),
        (b"junk\n%PDF-1.7", "pdf"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF89a", "gif"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"\0\0\0\x18ftypheic", "heic"),
        (b"  <!DOCTYPE html>", "html"),
        (b"\xef\xbb\xbf<html>", "html"),
        (b"<script>", "html"),
        (b"<svg xmlns", "svg"),
        (b"<?xml version='1.0'?><svg>", "svg"),
        (b"<?xml version='1.0'?><FatturaElettronica>", "xml"),
        (b"{\\rtf1", "rtf"),
        (b"L\0\0\0\x01\x14\x02\0\0", "lnk"),
        (TAR, "tar"),
        (b"\x78\x9f\x3e\x22\0", "tnef"),
        (b"-----BEGIN PGP MESSAGE-----", "pgp"),
        (b"BM\x10\0\0\0\0\0\0\0", "bmp"),
        (b"plain text", ""),
        (b"", ""),
    ],
)
def test_a_kind_is_told_by_the_first_bytes(content, word):
    assert detect_kind(content) == word


@pytest.mark.parametrize("encoding", [b"base64", b"8bit"])
def test_an_iso_image_is_told_by_its_far_mark(encoding):
    body = base64.encodebytes(ISO).replace(b"\n", b"\r\n") if encoding == b"base64" else ISO
    mail = FROM + b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    assert scan_or_raise(mail).parts[0].kind == "iso"


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Name: a.js\r\n",
        b'X-Sun-Data-Name: "a.js"\r\n',
        b"Content-Description: a.js\r\n",
        b"Content-Description: =?utf-8?q?a=2Ejs?=\r\n",
    ],
)
def test_a_name_in_a_field_of_its_own_is_found(fields):
    assert scan_or_raise(FROM + b"Content-Type: image/png\r\n" + fields + b"\r\nx\r\n").parts[0].names == ("a.js",)


def test_a_description_is_no_name_where_there_is_one_or_where_it_is_prose():
    named = b'Content-Type: image/png; name="a.png"\r\nContent-Description: a.js\r\n\r\nx\r\n'
    prose = b"Content-Type: text/plain\r\nContent-Description: Delivery report. All is well\r\n\r\nx\r\n"
    assert scan_or_raise(FROM + named).parts[0].names == ("a.png",)
    assert scan_or_raise(FROM + prose).parts[0].names == ()


@pytest.mark.parametrize("encoding", ["7bit", "base64", "quoted-printable"])
@pytest.mark.parametrize(
    ("attach", "names"),
    [
        (b"ATTACH;VALUE=BINARY;ENCODING=BASE64;X-FILENAME=a.exe:", ("a.exe",)),
        (b'ATTA\r\n CH;FMTTYPE=text/plain;ENCODING=BASE\r\n\t64;VALUE=BINARY;FILENAME="a.exe":\r\n ', ("a.exe",)),
        (b"attach;value=binary;encoding=base64:", ("",)),
    ],
)
def test_a_file_inside_an_invitation_is_found(encoding, attach, names):
    event = (
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + attach + base64.b64encode(EXE) + b"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    coded = {
        "7bit": event,
        "base64": base64.encodebytes(event).replace(b"\n", b"\r\n"),
        "quoted-printable": event.replace(b"=", b"=3D"),
    }
    head = f"Content-Type: text/calendar; method=REQUEST\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    (found,) = scan_or_raise(FROM + head + coded[encoding]).parts[1:]
    assert (found.names, found.kind) == (names, "exe")


def test_an_invitation_that_only_links_brings_nothing():
    head = b"Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nATTACH:https://b.example/a.exe\r\nEND:VCALENDAR\r\n"
    assert len(scan_or_raise(FROM + head).parts) == 1


def test_the_example_of_the_package_runs_and_needs_no_other_package_of_varco():
    program = """
import sys
from varco_common.mime import scan
manifest = scan(b"From: a@example.org\\r\\nSubject: Hi\\r\\n\\r\\nText\\r\\n")
assert manifest.authors == ("a@example.org",)
assert [part.media_type for part in manifest.parts] == ["text/plain"]
packages = {name.split(".")[1] for name in sys.modules if name.startswith("varco_common.")}
assert packages == {"mime"}, packages
"""
    subprocess.run([sys.executable, "-c", program], check=True)
