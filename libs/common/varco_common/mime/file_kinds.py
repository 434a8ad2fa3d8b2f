"""The kind of a file by its first bytes, whatever its name and media type."""

import re

SAMPLE = 1024  # decoded bytes that tell most kinds
FAR_SAMPLE = 0x9006  # ISO 9660 has its mark at 0x8001, 0x8801 or 0x9001

_MARKS: dict[bytes, str] = {
    b"\x7fELF": "elf",
    b"\xfe\xed\xfa\xce": "macho",
    b"\xfe\xed\xfa\xcf": "macho",
    b"\xce\xfa\xed\xfe": "macho",
    b"\xcf\xfa\xed\xfe": "macho",
    b"\xca\xfe\xba\xbe": "class",  # Java, and Mach-O for several processors
    b"dex\n": "dex",
    b"\0asm": "wasm",
    b"L\0\0\0\x01\x14\x02\0": "lnk",
    b"[InternetShortcut]": "url",
    b"[autorun]": "inf",
    b"@echo off": "script",
    b"<?php": "script",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
    b"Rar!\x1a\x07": "rar",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
    b"\x1f\x9d": "compress",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x60\xea": "arj",
    b"MSCF": "cab",
    b"ISc(": "cab",
    b"ITSF": "chm",
    b"xar!": "xar",
    b"!<arch>": "ar",
    b"\xed\xab\xee\xdb": "rpm",
    b"070707": "cpio",
    b"070701": "cpio",
    b"vhdxfile": "disk",
    b"conectix": "disk",
    b"KDMV": "disk",
    b"QFI\xfb": "disk",
    b"WIM\0": "disk",
    b"MSWIM\0\0\0": "disk",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "ole",
    b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d": "onenote",
    b"!BDN": "pst",
    b"\0\x01\0\0Standard ": "access",
    b"{\\rt": "rtf",
    b"%!PS": "postscript",
    b"%PDF": "pdf",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"\xff\xd8\xff": "jpeg",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"\0\0\x01\0": "ico",
    b"8BPS": "psd",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"\x1a\x45\xdf\xa3": "matroska",
    b"FWS": "flash",
    b"CWS": "flash",
    b"ZWS": "flash",
    b"\x78\x9f\x3e\x22": "tnef",
    b"-----BEGIN PGP ": "pgp",
    b"BEGIN:VCARD": "vcard",
    b"BEGIN:VCALENDAR": "calendar",
}
_BY_FIRST: dict[int, list[tuple[bytes, str]]] = {}
for _mark, _kind in _MARKS.items():
    _BY_FIRST.setdefault(_mark[0], []).append((_mark, _kind))
_AMBIGUOUS_STARTS = frozenset(b"MPRB#")  # first bytes that several kinds share

# Binary formats whose mark is only letters and digits: a text may start with the same letters.
_LETTERS_OF_BINARIES = frozenset(
    {"ar", "bzip2", "cab", "chm", "cpio", "dex", "disk", "flac", "flash", "mp3", "ogg", "psd", "pst", "xar"}
)
_PRINTABLE = bytes(c for c in range(256) if (c >= 32 and c != 127) or c in b"\t\n\f\r\x1b")

_SCRIPT = re.compile(rb"#![ \t]*/")
_MARKUP = re.compile(
    rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:(!doctype html|html|head|body|script|iframe|hta:)|(svg|!doctype svg)|(\?xml))"
)
_BATCH = re.compile(rb"(?i)(?:\xef\xbb\xbf)?\s*@echo off")
_RIFF = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}
_MARKS_BEHIND = ((2, b"-lh", "lzh"), (7, b"**ACE**", "ace"), (257, b"ustar", "tar"))
_FTYP = {b"heic": "heic", b"heix": "heic", b"mif1": "heic", b"avif": "avif", b"qt  ": "mov"}


def detect_kind(sample: bytes) -> str:
    """The kind of a content by its first SAMPLE bytes, or all; empty if unknown."""
    if not sample:
        return ""
    first = sample[0]
    for mark, word in _BY_FIRST.get(first, ()):
        if sample.startswith(mark) and (word not in _LETTERS_OF_BINARIES or not _is_text(sample)):
            return word
    if first in _AMBIGUOUS_STARTS and (word := _by_closer_look(sample)):
        return word
    return _by_markup(sample) or _by_mark_behind(sample)


def _by_closer_look(sample: bytes) -> str:
    if sample.startswith(b"MZ") and not _is_text(sample):  # a text may start with MZ
        return "exe"
    if sample.startswith(b"PK\x03\x04"):
        return _zip_kind(sample)
    if sample.startswith(b"RIFF"):
        return _RIFF.get(sample[8:12], "riff")
    if sample.startswith(b"BM") and sample[6:10] == b"\0\0\0\0":
        return "bmp"
    return "script" if _SCRIPT.match(sample) else ""


def _is_text(sample: bytes) -> bool:
    """Whether there is no control character: each binary format has some in its first bytes."""
    return not sample[:SAMPLE].translate(None, _PRINTABLE)


def _zip_kind(sample: bytes) -> str:
    """The kind of a ZIP by the name of its first entry (at offset 30, its length at 26)."""
    entry = sample[30 : 30 + int.from_bytes(sample[26:28], "little")]
    if entry == b"[Content_Types].xml" or entry.startswith((b"_rels/", b"word/", b"xl/", b"ppt/", b"docProps/")):
        return "ooxml"
    if entry.startswith(b"META-INF/") or entry.endswith(b".class"):
        return "jar"
    if entry == b"AndroidManifest.xml":
        return "apk"
    if entry == b"mimetype":
        return "epub" if b"application/epub" in sample[30:120] else "odf"
    return "zip"


def _by_markup(sample: bytes) -> str:
    markup = _MARKUP.match(sample)
    if markup:
        if markup[3]:
            rest = sample[markup.end() :].lower()
            return "svg" if b"<svg" in rest else "html" if b"<html" in rest else "xml"
        return "html" if markup[1] else "svg"
    return "script" if _BATCH.match(sample) else ""


def _by_mark_behind(sample: bytes) -> str:
    """Kinds with a mark behind the start."""
    if sample[4:8] == b"ftyp" and not _is_text(sample):
        return _FTYP.get(sample[8:12], "mp4")
    for at, mark, word in _MARKS_BEHIND:
        if sample.startswith(mark, at) and not _is_text(sample):
            return word
    if b"(This file must be converted with BinHex" in sample[:SAMPLE]:  # RFC 1741
        return "binhex"
    at = sample.find(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", 0, 20)  # DER: an object identifier of PKCS #7
    if at >= 0:
        return "pkcs7-enveloped" if sample[at + 10 : at + 11] == b"\x03" else "pkcs7"
    if b"%PDF-" in sample[:1024]:  # readers accept junk before it
        return "pdf"
    return ""


def detect_far_kind(sample: bytes) -> str:
    """Kinds with a mark far behind the start; `sample` has FAR_SAMPLE bytes."""
    return "iso" if any(sample[at : at + 5] == b"CD001" for at in (0x8001, 0x8801, 0x9001)) else ""
