"""What any client could show of a mail with defects is in its manifest."""

import base64
import email
import email.policy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varco_common.mime import Defect, Manifest
from varco_common.mime.scanner import scan_or_raise

from .mutate import PIECES

FROM = b"From: a@b.example\r\n"
MIXED = FROM + b"Content-Type: multipart/mixed; boundary=X\r\n"
TEXT = b"--X\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
EXE = b"MZ\x90\0\x03\0\0\0" + bytes(50)
BASE64_EXE = base64.encodebytes(EXE).replace(b"\n", b"\r\n")
FILE = b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="virus.exe"\r\n\r\nx\r\n'


def names(manifest: Manifest) -> list[str]:
    return [name for part in manifest.parts for name in part.names]


def quoted(data: bytes) -> bytes:
    return data.replace(b"=", b"=3D")


HIDDEN = {
    "behind a blank line, in a part": MIXED + b"\r\n--X\r\n\r\n" + FILE + b"--X--\r\n",
    "behind a line of blanks, in a part": MIXED + b"\r\n--X\r\n \r\n" + FILE + b"--X--\r\n",
    "behind a blank line, in a mail": b"\r\n" + FROM + FILE,
    "behind a blank line, in a forwarded mail": FROM + b"Content-Type: message/rfc822\r\n\r\n\r\n" + FILE,
    "behind a header line of one blank": FROM + b"X: y\r\n \r\n" + FILE,
    "behind a line without a colon": FROM + b"Subject: x\r\nhello\r\n" + FILE,
    "behind the end": MIXED + b"\r\n" + TEXT + b"--X--\r\n--X\r\n" + FILE,
    "before the start": MIXED + b"\r\n" + FILE + TEXT + b"--X--\r\n",
    "without an end": MIXED + b"\r\n" + TEXT + b"--X\r\n" + FILE,
    "behind an odd delimiter": MIXED + b"\r\n" + TEXT + b"--Xtra\r\n" + FILE + b"--X--\r\n",
    "without a boundary": FROM + b"Content-Type: multipart/mixed\r\n\r\n" + TEXT + b"--X\r\n" + FILE,
    "behind another boundary": FROM + b"Content-Type: multipart/mixed; boundary=X; boundary=Y\r\n\r\n--Y\r\n" + FILE,
    "in an unfinished header": MIXED + b"\r\n--X\r\n" + FILE.partition(b"\r\n\r\n")[0] + b"\r\n--X--\r\n",
    "in a boundary that starts with another": (
        MIXED + b"\r\n--X\r\nContent-Type: multipart/mixed; boundary=XY\r\n\r\n--XY\r\n" + FILE + b"--XY--\r\n--X--\r\n"
    ),
    "in a message in base64": (
        FROM
        + b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(FROM + FILE)
    ).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "in a multipart in base64": (
        MIXED + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(TEXT + b"--X\r\n" + FILE + b"--X--\r\n")
    ).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    "in a multipart in quoted-printable": (
        MIXED
        + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        + quoted(TEXT + b"--X\r\n" + FILE).replace(b"virus", b"v=69rus")
        + b"--X--\r\n"
    ),
    "in a multipart in 7-bit": MIXED + b"Content-Transfer-Encoding: 7-bit\r\n\r\n" + TEXT + b"--X\r\n" + FILE,
    "in a text that quotes a part": FROM + b"\r\nhello\r\n" + FILE,
    "behind a blank line within the header": FROM + b"\r\nSubject: x\r\n" + FILE,
    "behind two blank lines, in a forwarded mail": (
        FROM + b"Content-Type: message/rfc822\r\n\r\n\r\n" + FROM + FILE
    ),
    "behind a line like a delimiter": (
        FROM + b"Content-Disposition: attachment;\r\n--XY--\r\n filename=virus.exe\r\n\r\nx\r\n"
    ),
    "behind a line without a colon, in a fold": (
        FROM + b"Content-Disposition: attachment;\r\nhello\r\n filename=virus.exe\r\n\r\nx\r\n"
    ),
    "in a fold of an unknown field": (
        FROM + b"Content-Disposition : attachment;\r\nX: y\r\n filename=virus.exe\r\n\r\nx\r\n"
    ),
    "in a line without a colon": FROM + b"Content-Disposition:\r\nattachment; filename=virus.exe\r\n\r\nx\r\n",
    "behind a forgotten colon": FROM + b"X: y\r\nContent-Type application/pdf; name=virus.exe\r\n\r\nx\r\n",
    "behind another sign than a colon": FROM + b"X: y\r\nContent-Type- application/pdf; name=virus.exe\r\n\r\nx\r\n",
    "behind a byte order mark": FROM + b"Content-Type: x/y\r\n\xef\xbb\xbfContent-Disposition: x; filename=virus.exe\r\n\r\nx",
    "behind an 8-bit sign": FROM + b"Content-Type\xff: application/pdf; name=virus.exe\r\n\r\nx",
    "behind a sign more in the field's name": FROM + b"Content-Disposition_: x; filename=virus.exe\r\n\r\nx",
    "in a fold of an encoding": (
        FROM
        + b"Content-Disposition: attachment;\r\nContent-Transfer-Encoding: base64\r\n filename=virus.exe\r\n\r\nx\r\n"
    ),
    "in a fold of any field": FROM + b"Content-Disposition: x;\r\nhello:\r\n filename=virus.exe\r\n\r\nx\r\n",
    "in a fold of the subject": (
        FROM + b"Content-Disposition : x;\r\nSubject: y\r\n filename=virus.exe\r\n\r\nx\r\n"
    ),
    "uuencoded, and empty": FROM + b"\r\nhello\r\nbegin 644 virus.exe\r\n`\r\nend\r\n",
    "uuencoded, and broken": FROM + b"\r\nhello\r\nbegin 644 virus.exe\r\n#8; x=y\r\n`\r\nend\r\n",
    "behind hyphens": MIXED + b"\r\n--X\r\n\r\n--" + FILE + b"--X--\r\n",
    "in half an encoded word": FROM + b'Content-Type: x/y; name="=?utf-8?q?virus=2Eexe?"\r\n\r\nx',
}  # fmt: skip


@pytest.mark.parametrize("place", HIDDEN)
def test_a_file_is_listed_wherever_some_reading_shows_it(place):
    manifest = scan_or_raise(HIDDEN[place])
    assert "virus.exe" in names(manifest)
    assert {*manifest.defects} - {*manifest.enumerated} <= {Defect.FROM_MISSING.value}


def with_fields(fields: bytes, content: bytes) -> bytes:
    return FROM + fields + b"\r\n" + content


PDF_NAME = b"Content-Type: application/pdf; name=a.pdf\r\n"
KINDS = {
    "two encodings": with_fields(
        PDF_NAME + b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n", BASE64_EXE
    ),
    "two encodings, turned": with_fields(
        PDF_NAME + b"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 8bit\r\n", BASE64_EXE
    ),
    "an unknown encoding": with_fields(PDF_NAME + b"Content-Transfer-Encoding: base-64\r\n", BASE64_EXE),
    "an encoding with a semicolon": with_fields(PDF_NAME + b"Content-Transfer-Encoding: base64;\r\n", BASE64_EXE),
    "padding in the middle": with_fields(
        PDF_NAME + b"Content-Transfer-Encoding: base64\r\n", b"TQ==" + base64.b64encode(EXE[1:]) + b"\r\n"
    ),
    "a stray equals sign": with_fields(
        PDF_NAME + b"Content-Transfer-Encoding: quoted-printable\r\n", b"=MZ=90=00=03=00\r\n"
    ),
    "a line of one blank before the content": with_fields(PDF_NAME + b" \r\nMZ\x90\x03\x01: y\r\n", b"hello\r\n"),
    "a line without a colon as content": with_fields(PDF_NAME + b"X: y\r\nMZ\x90\x03\x01\x02 y\r\n", b"hello\r\n"),
    "behind the second line without a colon": with_fields(
        b"Content-Type: x/y\r\nA name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n" + BASE64_EXE, b""
    ),
    "a multipart without a delimiter": MIXED + b"\r\nMZ\x90\x03\x01\x02\r\n",
}


@pytest.mark.parametrize("way", KINDS)
def test_a_program_is_seen_in_whatever_reading_it_is_one(way):
    manifest = scan_or_raise(KINDS[way])
    assert "exe" in {part.kind for part in manifest.parts}
    assert manifest.defects == manifest.enumerated


def test_a_part_of_another_reading_names_the_defects_that_lead_to_it():
    manifest = scan_or_raise(HIDDEN["behind the end"])
    assert [(part.names, part.reading) for part in manifest.parts] == [
        ((), ""),
        (("virus.exe",), "delimiter-after-end, part-outside"),
    ]


NAMES = {
    "a fold within it": b"filename*=utf\r\n -8''virus.exe",
    "a fold before its number": b"filename*0=virus; filename*\r\n 1=.exe",
    "a comment within the parameter": b"filena()me*=utf-8''virus.exe",
    "a semicolon within it": b"filename=;virus.exe",
    "two semicolons within it": b"filename=v;;rus.exe",
    "a sign before its number": b'filename*0="virus"; filename*<1=.exe',
    "a semicolon behind its number": b'filename*0="virus"; filename*1;=.exe',
    "a question mark behind its number": b'filename*0="virus"; filename*1?==.exe',
    "two stars": b"filename*0**=utf-8''virus.exe",
    "hyphens before the parameter": b'filename*0="virus"; --filename*1=.exe',
    "letters before the parameter": b'filename*0="virus"; \\afilename*1=.exe',
    "half an encoded word within the parameter": b"filena=?utf-8?Q?me*=utf-8''virus.exe",
    "a hyphen behind the parameter": b'filename*0="virus"; filename-=.exe',
    "no sign behind the parameter": b'name "virus.exe"',
    "an encoded word in no encoding": b'filename="=?utf-8?b; x=y?dmlydXMuZXhl?="',
    "an encoded word in no charset": b'filename="=?utf-; x=8?B?dmlydXMuZXhl?="',
    "an encoded word in an open quote": b'filename="=?utf-8?B?dmlydXMuZXhl?; x=y',
}


@pytest.mark.parametrize("way", NAMES)
def test_a_name_is_listed_as_each_parser_reads_it(way):
    manifest = scan_or_raise(with_fields(b"Content-Disposition: attachment; " + NAMES[way] + b"\r\n", b"x"))
    assert any(name.endswith(".exe") for name in names(manifest))


def test_an_encoding_counts_whatever_stands_around_its_name():
    odd = (b"=4Content-Transfer-Encoding: ", b"Content-Transfer-Encoding* ", b"Content-Transfer-Encoding\xff: ")
    for field in (*odd, b"Content-(x)Transfer-Encoding: "):
        manifest = scan_or_raise(with_fields(PDF_NAME + field + b"base64\r\n", BASE64_EXE))
        assert "exe" in {part.kind for part in manifest.parts}


@pytest.mark.parametrize("field", [b"Content-Transfer-Encoding: ", b"Content-Transfer-Encoding\r\n: "])
def test_an_encoding_behind_a_blank_line_counts(field):
    manifest = scan_or_raise(with_fields(PDF_NAME + b"\r\n" + field + b"base64\r\n", BASE64_EXE))
    assert "exe" in {part.kind for part in manifest.parts}


def test_a_line_like_a_delimiter_ends_no_content_for_some():
    part = b"--X\r\n" + PDF_NAME + b"Content-Transfer-Encoding: base64\r\n\r\n--\r\n" + BASE64_EXE
    manifest = scan_or_raise(FROM + b"Content-Type: multipart/mixed; boundary=(x)X\r\n\r\n" + part)
    assert "exe" in {part.kind for part in manifest.parts}


def test_a_text_about_fields_hides_no_part():
    text = b"\r\nThe server answers\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 12\r\n"
    manifest = scan_or_raise(FROM + text)
    assert [(part.names, part.media_type) for part in manifest.parts] == [((), "text/plain")]
    assert manifest.defects == manifest.enumerated == ("header-in-content",)


def test_a_subject_names_no_file():
    manifest = scan_or_raise(FROM + b"Subject: name=virus.exe\r\nX-Content-Type-Old: x/y\r\n\r\nhello\r\n")
    assert manifest.enumerated == ("odd-field-name",)
    assert names(manifest) == []


def test_two_types_are_both_listed():
    manifest = scan_or_raise(with_fields(b"Content-Type: text/plain\r\nContent-Type: application/x-y\r\n", b"x"))
    assert [part.media_type for part in manifest.parts] == ["text/plain", "application/x-y"]


@pytest.mark.parametrize(
    "header",
    [
        b"\r\nFrom: a@b.example\r\nFrom: c@d.example\r\n",
        b"From: a@b.example\r\n \r\nFrom: c@d.example\r\n",
        b"From: a@b.example\r\nhello\r\n , c@d.example\r\n",
        b"From: a@b.example\r\nhello\r\nFrom: c@d.example\r\n",
        b"From : c@d.example\r\nFrom: a@b.example\r\n",
    ],
)
def test_the_authors_of_every_reading_are_listed(header):
    manifest = scan_or_raise(header + b"\r\nhello\r\n")
    assert {"a@b.example", "c@d.example"} <= {*manifest.authors}


def test_what_is_too_much_to_list_counts_as_not_listed():
    manifest = scan_or_raise(MIXED + b"\r\n" + TEXT + b"Content-Type: x/y\r\n\r\n" * 300)
    assert "missing-end" in manifest.defects
    assert manifest.enumerated == ()


def test_long_headers_that_all_differ_count_as_not_listed():
    files = [
        b"--X\r\nContent-Type: x/y; name=%d.pdf; a=" % number + b"b" * 1_000 + b"\r\n\r\nx\r\n" for number in range(80)
    ]
    assert scan_or_raise(MIXED + b"\r\n" + b"".join(files[:20])).enumerated == ("missing-end",)
    assert scan_or_raise(MIXED + b"\r\n" + b"".join(files)).enumerated == ()


def test_broken_base64_around_a_whole_mail_counts_as_not_listed():
    head = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    for content in (b"QUJD\r\nQ*JD\r\n", b"QUI=\r\nQUJD\r\n"):
        assert scan_or_raise(FROM + head + content).enumerated == ()


@pytest.mark.parametrize("defects", [b"\0", b"a\nb", b"\r\n.x"])
def test_what_cannot_be_listed_is_not(defects):
    manifest = scan_or_raise(MIXED + b"\r\n" + TEXT + defects + b"\r\n")
    assert manifest.enumerated == ("missing-end",)
    assert len(manifest.defects) == 2


SPLICES = st.sampled_from(
    [
        *PIECES, b"\r\n \r\n", b"hello\r\n", b"--XY\r\n", b"--X\r\n", b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", FILE,
        b"\r\n--X\r\nContent-Type: application/x; name=virus.exe\r\n\r\nx\r\n", b'filename="virus.exe"',
    ]
)  # fmt: skip


@st.composite
def spliced(draw) -> bytes:
    mail = HIDDEN[draw(st.sampled_from(sorted(HIDDEN)))]
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(mail)))
        mail = mail[:at] + draw(SPLICES) + mail[at + draw(st.sampled_from([0, 0, 0, 1, 2, 10, 30])) :]
    return re.sub(rb"\r\n|\r|\n", b"\r\n", mail)


def shown_by_python(mail: bytes) -> set[str]:
    shown = set()
    for policy in (email.policy.compat32, email.policy.default):
        try:
            parts = list(email.message_from_bytes(mail.replace(b"\r\n..", b"\r\n."), policy=policy).walk())
            shown |= {str(part.get_filename() or "") for part in parts}
        except Exception:  # noqa: BLE001 - its own bugs: then it shows nothing
            continue
    return shown


@given(spliced())
@settings(deadline=None, max_examples=300)
def test_each_program_that_python_shows_is_listed_or_the_mail_counts_as_not_listed(mail):
    manifest = scan_or_raise(mail)
    programs = [name for name in shown_by_python(mail) if re.search(r"\.exe[\s\"'.]*$", name, re.IGNORECASE)]
    if programs and {*manifest.defects} <= {*manifest.enumerated, Defect.FROM_MISSING.value}:
        assert any(".exe" in name.lower() for name in names(manifest))
