"""Kinds of content, signatures and encryption, as a manifest has them."""

import base64

import pytest

from varco_common.mime.file_kinds import detect_kind
from varco_common.mime.scanner import scan_or_raise

from .scanned import EXE, FROM, MIXED, binhexed

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
