"""Which addresses a sender list covers."""

import pytest

from varco_common.mail.sender_patterns import narrowest_pattern, normal

PATTERNS = ("sales@partner.example", "@acme.example", "@.shops.example", "@münchen.example", "@xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("sales@partner.example", "sales@partner.example"),
        ("Sales@Partner.Example", "sales@partner.example"),
        ("anybody@acme.example", "@acme.example"),
        ("a@x.shops.example", "@.shops.example"),
        ("a@y.x.shops.example", "@.shops.example"),
        ("a@bücher.example", "@xn--bcher-kva.example"),
        ('"odd@local"@acme.example', "@acme.example"),
    ],
)
def test_an_address_is_covered(address, pattern):
    assert narrowest_pattern(address, PATTERNS) == pattern


@pytest.mark.parametrize(
    "address",
    [
        "boss@partner.example",
        "a@sub.acme.example",
        "a@shops.example",
        "a@notshops.example",
        "a@acme.example.evil.example",
        "acme.example",
        "@acme.example",
        "acme.example@",
        "",
        "@",
        "sales@partner.example@evil.example",
        "sales",
    ],
)
def test_an_address_is_not_covered(address):
    assert narrowest_pattern(address, PATTERNS) is None


def test_the_narrowest_pattern_is_named():
    assert narrowest_pattern("a@b.example", ["@.example", "@b.example", "a@b.example"]) == "a@b.example"


def test_a_domain_that_can_not_exist_is_compared_as_it_stands():
    assert normal("A@" + "é" * 80 + ".example") == "a@" + "é" * 80 + ".example"


@pytest.mark.parametrize("address", ["a@stra\u00dfe.example", "a@ac\u200dme.example", "a@\u03c3\u03af\u03c2.example"])
def test_a_domain_that_the_old_idna_would_change_is_another_domain(address):
    assert narrowest_pattern(address, ("@strasse.example", "@acme.example", "@xn--pxam.example")) is None
