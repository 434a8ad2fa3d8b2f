"""The table of answers: each reply's words are what RFC 5321 and RFC 3463 let a server say."""

import re

import pytest

from varco_common.mail.replies import Reply


@pytest.mark.parametrize("reply", Reply)
def test_code_and_enhanced_code_agree(reply):
    assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", reply.answer.enhanced)
    assert str(reply.answer.code)[0] == reply.answer.enhanced[0]
    assert reply.permanent == (reply.answer.code // 100 == 5)


@pytest.mark.parametrize("reply", Reply)
def test_a_line_fits_and_is_ascii(reply):
    line = reply.answer.line()
    assert line.isascii()
    assert len(line) + 2 <= 512  # RFC 5321 4.5.3.1.5


def test_only_one_reply_is_a_yes():
    assert [reply for reply in Reply if reply.accepts] == [Reply.ACCEPTED]


def test_the_table_stands_in_order_of_precedence():
    permanent = [reply.permanent for reply in Reply]
    assert permanent == sorted(permanent, reverse=True)
    assert list(Reply)[-1] is Reply.ACCEPTED


def test_several_lines_each_carry_both_codes():
    assert Reply.FORBIDDEN_ATTACHMENT.answer.line("L'allegato\n\nstop") == (
        "554-5.7.1 L'allegato\r\n554-5.7.1 \r\n554 5.7.1 stop"
    )


def test_a_reply_is_its_word_on_the_wire():
    assert Reply("quota-exceeded") is Reply.QUOTA_EXCEEDED
    assert f"{Reply.QUOTA_EXCEEDED}" == "quota-exceeded"
