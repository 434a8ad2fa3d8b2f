"""Every author is found, in whatever way the field is written."""

import pytest

from varco_common.mime.addresses import parse_addresses
from varco_common.mime.defects import Defect

READABLE: list[tuple[bytes, tuple[str, ...]]] = [
    (b" a@b.example", ("a@b.example",)),
    (b" <a@b.example>", ("a@b.example",)),
    (b" Anna <a@b.example>", ("a@b.example",)),
    (b' "Neri, Anna" <a@b.example>', ("a@b.example",)),
    (b' "Anna \\"la\\" Neri" <a@b.example>', ("a@b.example",)),
    (b" Anna\r\n\t<a@b.example>", ("a@b.example",)),
    (b" a@b.example (Anna (la Neri), c@d.example)", ("a@b.example",)),
    (b" (x) Anna (y) <a@b.example> (z)", ("a@b.example",)),
    (b" =?utf-8?Q?Anna_=3A?= <a@b.example>", ("a@b.example",)),
    (b" =?utf-8?Q?a=40b=2Eexample?= <a@b.example>", ("a@b.example",)),
    (b" a@b.example, Carla <c@d.example>", ("a@b.example", "c@d.example")),
    (b" Team: a@b.example, C <c@d.example>;", ("a@b.example", "c@d.example")),
    (b" Team: a@b.example;, C <c@d.example>", ("a@b.example", "c@d.example")),
    (b' "anna neri"@b.example', ('"anna neri"@b.example',)),
    (b' <"anna neri"@b.example>', ('"anna neri"@b.example',)),
    (b' "anna"@b.example', ("anna@b.example",)),
    (b" info@acme.example <a@b.example>", ("a@b.example",)),
    (b' "c@d.example" <a@b.example>', ("a@b.example",)),
    (b" <@x.example,@y.example:a@b.example>", ("a@b.example",)),
    (b" a@[192.0.2.1]", ("a@[192.0.2.1]",)),
    (b" a @ b.example", ("a@b.example",)),
    (b" a . b @ c . example", ("a.b@c.example",)),
    (b" a(x)@(y)b.example", ("a@b.example",)),
    (b' (12" screen) <a@b.example>', ("a@b.example",)),
    (b" a..b.@docomo.example", ("a..b.@docomo.example",)),
    (b" <a..b.@docomo.example>", ("a..b.@docomo.example",)),
    (" Anna <è@è.example>".encode(), ("è@è.example",)),
    (b" A. N. Neri <a@b.example>", ("a@b.example",)),
]
UNREADABLE: list[tuple[bytes, tuple[str, ...]]] = [
    (b"", ()),
    (b" Anna", ()),
    (b" <>", ()),
    (b" undisclosed:;", ()),
    (b" <a@b.example> <c@d.example>", ("a@b.example", "c@d.example")),
    (b" <a@b.example> c@d.example", ("a@b.example",)),
    (b" a@b.example <", ("a@b.example",)),
    (b' "Anna <a@b.example>', ()),
    (b" Alice Rossi alice@example.test", ()),
    (b" alice@example.test Alice Rossi", ()),
    (b" Anna <a@b.example", ()),
    (b" anna(x)neri@b.example", ()),
    (b" Rossi, Alice <a@b.example>", ("a@b.example",)),
    (b" Rossi; Alice <a@b.example>", ("a@b.example",)),
    (b" a@b@c.example", ()),
    (b" (Anna <a@b.example>", ()),
    (b" =?utf-8?Q?c=40d=2Eexample_=3Cc=40d=2Eexample=3E?= <a@b.example>", ("a@b.example",)),
    (b" =?utf-8?Q?c=40d=2Eexample=00?= <a@b.example>", ("a@b.example",)),
]


@pytest.mark.parametrize(("value", "expected"), READABLE)
def test_a_readable_author(value, expected):
    found: set[Defect] = set()
    assert parse_addresses([value], found) == expected
    assert not found


@pytest.mark.parametrize(("value", "expected"), UNREADABLE)
def test_an_unreadable_author_is_a_defect(value, expected):
    found: set[Defect] = set()
    assert parse_addresses([value], found) == expected
    assert found == {Defect.FROM_UNREADABLE}


def test_the_authors_of_all_from_fields_are_listed():
    assert parse_addresses([b" a@b.example", b" C <c@d.example>", b" a@b.example"], set()) == (
        "a@b.example",
        "c@d.example",
    )


@pytest.mark.parametrize(
    "value",
    [
        b"=?utf-8?q?ceo=40victim.example?=@b.example",
        b"<=?utf-8?b?Y2VvQHZpY3RpbS5leGFtcGxl?=@b.example>",
        b"=?utf-8?q?ceo=40victim.example=2C?= <a@b.example>",
        b'"=?utf-8?q?ceo=40victim.example=22=2C?=" <a@b.example>',
        b"=?utf-8?q?ceo=40victim.example_=28?= <a@b.example>",
        b"=?utf-8*" + b"a" * 70 + b"?q?=3Cceo=40victim.example=3E?= <a@b.example>",
        b"ceo@victim.example\\, <a@b.example>",
    ],
)
def test_an_author_that_shows_only_when_decoded_is_unreadable(value):
    found: set[Defect] = set()
    parse_addresses([value], found)
    assert Defect.FROM_UNREADABLE in found


@pytest.mark.parametrize(
    "value",
    [
        b"=?iso-8859-1?Q?Rossi=2C_Mario?= <a@b.example>",
        b"=?utf-8?Q?Citt=C3=A0_=28IT=29?= <a@b.example>",
        b"=?utf-8?Q?a=40b.example?= <a@b.example>",
    ],
)
def test_a_name_in_encoded_words_is_a_name(value):
    found: set[Defect] = set()
    assert parse_addresses([value], found) == ("a@b.example",)
    assert not found
