"""The mended header, and offsets behind it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.mail.envelope import Envelope
from varco_common.mime import scan
from varco_ingress_smtp.header_fixups import fix_header
from varco_ingress_smtp.smtp.path_parser import MailPath, MalformedPath, parse_mail, parse_rcpt

MAIL = Envelope(
    id="06h0000000000000000a",
    account="acme",
    sender="a@acme.example",
    recipients=("b@r.example", "c@r.example"),
    host="2001:db8::1",
    received_at=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
    helo="evil\r\nX-Injected: (yes)",
    login="a",
    tls="TLSv1.3",
)


def repaired(body: bytes) -> tuple[bytes, int]:
    manifest = scan(body)
    result = fix_header(body[: manifest.header_end], manifest, MAIL, "gate.example")
    return result.header, result.shift


def test_what_a_client_calls_itself_cant_write_fields_and_recipients_arent_told_of_each_other():
    header, _ = repaired(b"From: a@acme.example\r\n\r\nx\r\n")
    received = header.partition(b"Date:")[0].decode()
    assert received == (
        "Received: from evil??X-Injected:??yes? ([IPv6:2001:db8::1])\r\n"
        "\tby gate.example (Varco) with ESMTPSA id 06h0000000000000000a;\r\n"
        "\tTue, 24 Nov 2026 09:00:00 +0000\r\n"
    )


@given(
    st.lists(
        st.sampled_from(
            [
                b"Bcc: x@y.z\r\n",
                b"bcc:\r\n a@b.c\r\n",
                b"To: b@r.example\r\n",
                b"Date: now\r\n",
                b"Message-ID: <1@a>\r\n",
            ]
        ),
        max_size=6,
    )
)
def test_only_bcc_goes_and_offsets_behind_the_header_move_by_shift(fields):
    kept = b"".join(field for field in fields if not field.lower().startswith(b"bcc"))
    body = b"From: a@acme.example\r\n" + b"".join(fields) + b"\r\ntext\r\n"
    header, shift = repaired(body)
    end = scan(body).header_end
    assert header.endswith(b"From: a@acme.example\r\n" + kept)
    assert len(header) == end + shift
    assert header.count(b"Date: ") == max(1, kept.count(b"Date: "))
    assert header.count(b"Message-ID: ") == max(1, kept.count(b"Message-ID: "))


@pytest.mark.parametrize("value", [b"", b" ", b"\t", b"\r\n\t", b" \r\n \r\n  "])
@pytest.mark.parametrize("name", [b"Message-ID", b"message-id ", b"Date"])
def test_an_empty_date_or_message_id_gives_way_to_a_good_one(name, value):
    header, _ = repaired(b"From: a@acme.example\r\n" + name + b":" + value + b"\r\nTo: b@r.example\r\n\r\nx\r\n")
    assert header.lower().count(b"\r\n" + name.strip().lower()) == 1
    assert header.endswith(b"\r\nFrom: a@acme.example\r\nTo: b@r.example\r\n")


def test_a_message_id_after_an_empty_one_stays_the_only_one():
    header, _ = repaired(b"Message-ID:\r\nMessage-ID: <1@acme.example>\r\nFrom: a@acme.example\r\n\r\nx\r\n")
    assert b"Message-ID: <1@acme.example>" in header
    assert header.count(b"Message-ID: <") == 1


@given(
    st.one_of(st.text(max_size=80), st.from_regex(r"(FROM|TO):<[a-z\"@.,\\]{0,20}>( [A-Z=]{0,6}){0,3}", fullmatch=True))
)
def test_any_argument_is_a_path_or_malformed(argument):
    for read in (parse_mail, parse_rcpt):
        assert isinstance(read(argument), (MailPath, MalformedPath))


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example",
        "a.b+c@d",
        "a..b@docomo.example",
        ".a.@docomo.example",
        '"a b"@c.example',
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
    ],
)
def test_addresses_come_out_as_they_were_given(address):
    assert parse_mail(f"FROM:<{address}> SIZE=1") == MailPath(address, {"SIZE": "1"})
    assert parse_rcpt(f"TO:<@relay.example:{address}>") == MailPath(address, {})


@pytest.mark.parametrize("address", ["a", "a@", "@b", "a b@c", "a@b..c", "a@-b", "a@b\x7f", "<a@b>", "a@b\r"])
def test_what_is_no_address_is_malformed(address):
    assert isinstance(parse_mail(f"FROM:<{address}>"), MalformedPath)
