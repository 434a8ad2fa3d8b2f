"""Files that are written into a text: uuencode, BinHex, yEnc."""

import base64
import binascii

import pytest

from varco_common.mime.binhex import file_name
from varco_common.mime.scanner import scan_or_raise

from .scanned import FROM, UUENCODED, binhexed, files


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


def test_a_binhexed_file_in_a_text_is_named():
    mail = FROM + b"\r\nsee below" + BINHEX % binhexed(b"a.exe") + b"bye\r\n"
    assert files(mail) == [("1/1", ("a.exe",), "binhex", "")]


def test_a_run_in_a_binhexed_name_is_written_out():
    assert file_name(binhexed(b"aaaa.exe", b"a\x90\x04.exe")) == b"aaaa.exe"
    assert file_name(binhexed(b"\x90.exe", b"\x90\0.exe")) == b"\x90.exe"
    assert file_name(b"~") == b""


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
