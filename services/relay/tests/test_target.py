"""How a next hop is written."""

import pytest

from varco_relay.smtp.target import SmtpTarget, format_smarthost, parse_smarthost


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mx.example:587", ("mx.example", 587)),
        ("mx.example", ("mx.example", 25)),
        ("[::1]:2525", ("::1", 2525)),
        ("[::1]", ("::1", 25)),
        ("192.0.2.1:25", ("192.0.2.1", 25)),
        ("bücher.example:25", ("bücher.example", 25)),
        ("mail_out.example.:25", ("mail_out.example.", 25)),
        ("[fe80::1%eth0]:25", ("fe80::1%eth0", 25)),
    ],
)
def test_smarthosts_are_read(text, expected):
    assert parse_smarthost(text) == expected
    assert parse_smarthost(format_smarthost(*expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", ":25", "host:", "host:0", "host:70000", "a b:25", "http://x:25", "::1:25", "x\r\n:25"),
        *("a..b:25", ".b:25", "é" * 70 + ":25", "a" * 64 + ".example:25", "[1:2:3]:25", "[fe80::%]:25"),  # IDNA
    ],
)
def test_what_is_no_smarthost_is_refused(text):
    with pytest.raises(ValueError, match="expected a next hop"):
        parse_smarthost(text)


def test_a_target_doesnt_show_its_password():
    assert "s3cret" not in repr(SmtpTarget(host="h", port=25, login="l", password="s3cret"))
