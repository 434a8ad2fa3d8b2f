"""Refusals and notices in an account's languages, time zone and own words."""

from datetime import UTC, datetime

import pytest

from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.dates import format_date, format_time
from varco_common.mail.notice_texts import Language, Notice

NIGHT = datetime(2027, 7, 31, 23, 30, tzinfo=UTC)
BOTH = (Language.IT, Language.EN)


def test_a_refusal_is_in_one_language_unless_the_account_wants_both():
    italian = "Troppi destinatari: al massimo 3 per messaggio"
    english = "Too many recipients: at most 3 for each message"
    for languages, text in (
        ((Language.IT,), italian),
        ((Language.EN,), english),
        (BOTH, f"{italian}\n{english}"),
    ):
        texts = AccountTexts(languages=languages)
        assert texts.reply(Notice.RECIPIENTS, {"limit": 3}, smtputf8=False) == text


def test_an_own_text_replaces_varcos_in_its_language_alone():
    texts = AccountTexts(languages=BOTH, notices={Notice.RECIPIENTS: {Language.IT: "Più di {limit}!"}})
    assert texts.reply(Notice.RECIPIENTS, {"limit": 3}, smtputf8=True).startswith("Più di 3!\nToo many")
    assert texts.text(Notice.RECIPIENTS, Language.IT, {"limit": 4}) == "Più di 4!"


def test_facts_may_have_words_of_each_language():
    texts = AccountTexts(languages=BOTH, notices={Notice.SIGNED: dict.fromkeys(Language, "{why}")})
    assert texts.reply(Notice.SIGNED, lambda language: {"why": f"in {language}"}, smtputf8=False) == "in it\nin en"


@pytest.mark.parametrize(
    ("zone", "date", "time"),
    [
        ("Europe/Rome", "1 agosto 2027", "1 agosto 2027, 01:30 (+0200)"),
        ("UTC", "31 luglio 2027", "31 luglio 2027, 23:30 (+0000)"),
    ],
)
def test_a_day_is_the_one_in_the_time_zone_of_the_account(zone, date, time):
    local = AccountTexts(time_zone=zone).local(NIGHT)
    assert (format_date(Language.IT, local), format_time(Language.IT, local)) == (date, time)
