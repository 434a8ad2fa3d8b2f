"""What else a manifest says: names, parts, sizes, and what ingress needs to mend a mail."""

import base64
import json
import subprocess
import sys

import msgspec
import pytest

from varco_common.mime import MAX_MANIFEST_BYTES, Defect, Part
from varco_common.mime.scanner import scan_or_raise

from .scanned import EXE, FROM


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
