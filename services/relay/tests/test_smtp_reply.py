"""Replies of a next hop and what it offers, from bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_relay.smtp.smtp_reply import NotSmtp, ReplyReader, SmtpReply
from varco_relay.smtp.transaction import Capabilities, parse_capabilities


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (SmtpReply(250, "2.1.5 ok"), "2.1.5"),
        (SmtpReply(550, "5.1.1 no such user"), "5.1.1"),
        (SmtpReply(550, "no such user"), "5.0.0"),
        (SmtpReply(450, "5.1.1 contradicts its code"), "4.0.0"),
        (SmtpReply(550, "5.1.1"), "5.1.1"),
        (SmtpReply(550, "5.1.1.1 is no code"), "5.0.0"),
        (SmtpReply(0, "timed out"), "4.4.2"),
        (SmtpReply(0, "4.3.0 the body can't be read"), "4.3.0"),
    ],
)
def test_the_enhanced_code_is_the_next_hops_where_it_fits(reply, status):
    assert reply.status == status


@given(st.lists(st.binary(min_size=1, max_size=7), max_size=40))
def test_a_reply_may_arrive_in_any_pieces(noise):
    whole = b"250-one\r\n250-two\r\n250 three\r\n550 5.1.1 no\r\n354\r\n"
    reader, replies = ReplyReader(), []
    at = 0
    for piece in noise:
        replies += reader.feed(whole[at : at + len(piece)])
        at += len(piece)
    replies += reader.feed(whole[at:])
    assert replies == [SmtpReply(250, "one\ntwo\nthree"), SmtpReply(550, "5.1.1 no"), SmtpReply(354, "")]


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"99 x\r\n", b"x" * 5_000, b"250-a\r\n" * 200, b"600 x\r\n", b"250_x\r\n"]
)
def test_what_isnt_smtp_is_not_read_for_ever(data):
    with pytest.raises(NotSmtp):
        ReplyReader().feed(data)


@given(st.binary())
def test_no_bytes_break_the_reader(data):
    try:
        for reply in ReplyReader().feed(data):
            assert reply.status[0] in "2345"
            assert "\n" not in reply.line
    except NotSmtp:
        pass


def test_capabilities_are_read_in_any_case():
    lines = "host greets\nsize 1000\npipelining\nAUTH=LOGIN\nauth plain\n8bitmime\nSMTPUTF8"
    offered = parse_capabilities(SmtpReply(250, lines))
    assert offered == Capabilities(
        pipelining=True, eight_bit=True, smtputf8=True, size=True, max_size=1000, auth=("LOGIN", "PLAIN")
    )


def test_the_greetings_own_text_is_no_keyword():
    assert parse_capabilities(SmtpReply(250, "PIPELINING")) == Capabilities()
