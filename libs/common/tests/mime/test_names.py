"""Every name that a client could take is found, the likeliest first."""

import pytest

from varco_common.mime.defects import Defect
from varco_common.mime.names import MAX_NAMES, file_names

WAYS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "quoted": (b'attachment; filename="a b.pdf"', ("a b.pdf",)),
    "quoted, with a semicolon": (b'attachment; filename="a;b.pdf"', ("a;b.pdf",)),
    "a semicolon that hides an extension": (b'attachment; filename="a.exe;.pdf"', ("a.exe;.pdf", "a.exe")),
    "bare": (b"attachment; filename=a.pdf", ("a.pdf",)),
    "bare, with blanks": (b"attachment; filename=my file.pdf", ("my file.pdf",)),
    "bare, with two extensions": (b"attachment; filename=a.exe b.pdf", ("a.exe b.pdf", "a.exe")),
    "bare, in 8-bit": ("attachment; filename=è.pdf".encode(), ("è.pdf", "Ã¨.pdf")),
    "8-bit in Latin-1": ('attachment; filename="è.pdf"'.encode("latin-1"), ("è.pdf",)),
    "8-bit in UTF-8": ('attachment; filename="è.pdf"'.encode(), ("è.pdf", "Ã¨.pdf")),
    "name": (b'application/pdf; name="a.pdf"', ("a.pdf",)),
    "without a type": (b"name=a.pdf", ("a.pdf",)),
    "in any case": (b"attachment; FileName=a.pdf", ("a.pdf",)),
    "blanks around the sign": (b'attachment; filename = "a.pdf"', ("a.pdf",)),
    "no semicolon before": (b'attachment filename="a.pdf"', ("a.pdf",)),
    "no semicolon between": (b'x/y; name="a.pdf" filename="b.exe"', ("a.pdf", "b.exe")),
    "two": (b'attachment; filename="a.pdf"; filename="b.exe"', ("a.pdf", "b.exe")),
    "inside another parameter's quotes": (b'attachment; x="; filename=b.exe; "', ("b.exe",)),
    "inside the name's quotes": (b'x; filename="a.pdf; filename=b.exe"', ("a.pdf; filename=b.exe", "a.pdf", 'b.exe"', "b.exe")),
    "escapes": (b'attachment; filename="a\\.e\\xe"', ("a.exe", "a\\.e\\xe", "xe")),
    "an escaped quote": (b'attachment; filename="a.exe\\".pdf"', ('a.exe".pdf', 'a.exe\\".pdf', '".pdf', "a.exe\\")),
    "unclosed": (b'attachment; filename="a.pdf', ("a.pdf",)),
    "quotes that go on": (b'attachment; filename="a".exe', ("a", "a.exe")),
    "a comment before": (b"attachment; filename=(c)a.pdf", ("a.pdf",)),
    "a comment inside": (b"attachment; filename=a(c).exe", ("a.exe", "a(c).exe")),
    "a comment behind": (b'attachment; filename="a.pdf" (c)', ("a.pdf",)),
    "a comment before the sign": (b"attachment; filename(c)=a.pdf", ("a.pdf",)),
    "the parameter's name in quotes": (b'attachment; "filename"="a.exe"', ("a.exe",)),
    "the parameter's name in apostrophes": (b"attachment; 'filename'=a.exe", ("a.exe",)),
    "a colon for the sign": (b"attachment; filename: a.exe", ("a.exe",)),
    "a colon, in pieces": (b"attachment; filename*0:a.; filename*1:exe", ("a.exe",)),
    "a colon inside a name": (b'attachment; filename="full name: v1.2.pdf"', ("full name: v1.2.pdf",)),
    "a quote in the middle": (b'attachment; filename=a"b; c.exe"', ('a"b', "ab", 'a"b; c.exe"', "ab; c.exe")),
    "apostrophes": (b"attachment; filename='a.pdf'", ("'a.pdf'", "a.pdf")),
    "a dot at the end": (b'attachment; filename="a.exe."', ("a.exe.", "a.exe")),
    "a blank at the end": (b'attachment; filename="a.exe "', ("a.exe",)),
    "dots and blanks at the end": (b'attachment; filename="a.exe. . "', ("a.exe. .", "a.exe")),
    "a folder": (b'attachment; filename="C:\\\\x\\\\a.pdf"', ("C:\\x\\a.pdf", "a.pdf", "C:\\\\x\\\\a.pdf")),
    "a stream": (b'attachment; filename="a.exe:b.pdf"', ("a.exe:b.pdf", "a.exe")),
    "a colon alone": (b'attachment; filename="Re: offer.pdf"', ("Re: offer.pdf",)),
    "percent signs": (b'attachment; filename="a%2Eexe"', ("a%2Eexe", "a.exe")),
    "folded in quotes": (b'attachment; filename="a.e\r\n xe"', ("a.e xe", "a.exe")),
    "folded before": (b'attachment;\r\n filename="a.pdf"', ("a.pdf",)),
    "folded after the sign": (b"attachment; filename=\r\n a.pdf", ("a.pdf",)),
    "RFC 2047": (b'attachment; filename="=?utf-8?Q?=C3=A8_1.pdf?="', ("è 1.pdf",)),
    "RFC 2047 without quotes": (b"attachment; filename==?utf-8?B?w6gucGRm?=", ("è.pdf",)),
    "RFC 2047 in two words": (b'attachment; filename="=?utf-8?Q?a=2E?=\r\n =?utf-8?Q?exe?="', ("a.exe",)),
    "RFC 2047 in a split character": (b'attachment; filename="=?utf-8?B?ww==?= =?utf-8?B?qC5wZGY=?="', ("è.pdf",)),
    "RFC 2047 with text behind": (b'attachment; filename="=?utf-8?Q?a?=.exe"', ("a.exe",)),
    "RFC 2047 in an unknown charset": (b'attachment; filename="=?x-klingon?Q?a.exe?="', ("a.exe",)),
    "RFC 2231": (b"attachment; filename*=utf-8'it'%C3%A8%201.pdf", ("è 1.pdf",)),
    "RFC 2231 in Latin-1": (b"attachment; filename*=iso-8859-1''%E8.pdf", ("è.pdf",)),
    "RFC 2231 in quotes": (b"attachment; filename*=\"utf-8''%C3%A8.pdf\"", ("è.pdf",)),
    "RFC 2231 in pieces": (b"x; filename*0*=utf-8''%C3%A8; filename*1=a; filename*2*=%2Eexe", ("èa.exe",)),
    "RFC 2231 in plain pieces": (b'x; filename*0="a."; filename*1="exe"', ("a.exe",)),
    "RFC 2231 out of order": (b"x; filename*1=exe; filename*0=a.", ("a.exe", "exea.")),
    "RFC 2231 and a plain one": (b"x; filename=a.pdf; filename*=utf-8''b.exe", ("b.exe", "a.pdf")),
    "RFC 2231 with an undecoded piece": (b"x; filename*0*=utf-8''a; filename*1=%2Eexe", ("a%2Eexe", "a.exe")),
    "none": (b"attachment", ()),
    "an empty one": (b'attachment; filename=""', ()),
    "another parameter": (b"image/jpeg; x-mac-name=a.pdf; nickname=b", ()),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_way_of_naming(way):
    value, expected = WAYS[way]
    found = file_names([value], set())
    assert found[: len(expected)] == expected
    assert len(found) == len(expected) or way == "RFC 2231 out of order"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"x; filename*0=a; filename*2=.exe", "a.exe"),
        (b"x; filename*0=a.pdf; filename*0=b.exe", "b.exe"),
        (b"x; filename*0=a.pdf; filename*0=b.exe", "a.pdf"),
        (b"x; filename*=utf-8''a.exe%00.pdf", "a.exe"),
        (b"x; filename*=a.exe", "a.exe"),
        (b"x; filename*=utf-7''a+AC4-exe", "a.exe"),
        (b"x; filename*=utf-16le''a%00.%00e%00x%00e%00", "a.exe"),
    ],
)
def test_a_broken_name_still_shows(value, name):
    assert name in file_names([value], set())


def test_the_disposition_s_name_comes_first():
    assert file_names([b'attachment; filename="a.pdf"', b'application/pdf; name="b.pdf"'], set()) == ("a.pdf", "b.pdf")


def test_isolates_around_a_name_are_no_trick():
    found: set[Defect] = set()
    assert file_names(['x; filename="\u2068Scan 1.pdf\u2069"'.encode()], found)[0] == "Scan 1.pdf"
    assert not found


def test_names_are_bounded():
    found: set[Defect] = set()
    assert len(file_names([b"x" + b"".join(b"; name=%d.pdf" % n for n in range(500))], found)) == MAX_NAMES
    assert found == {Defect.TOO_MANY_NAMES}


@pytest.mark.parametrize("language", ["en", "x" * 70])
def test_an_encoded_word_with_a_language_of_any_length_is_decoded(language):
    value = f'image/png; name="=?utf-8*{language}?q?a=2Eexe?="'.encode()
    assert file_names([value], set()) == ("a.exe",)


@pytest.mark.parametrize(
    "value", [b'name="=?utf-8?q?a=2Eexe"', b'name="=?utf-8?q?a=2Eexe?"', b"=?utf-8?q?name=3Da=2Eexe?="]
)
def test_half_an_encoded_word_is_a_defect_and_read_to_its_end(value):
    found: set[Defect] = set()
    assert "a.exe" in file_names([value], found)
    assert Defect.BAD_PARAMETER in found
