"""What a stopped login hears: until when, by the account's clock and in its language."""

from datetime import UTC, datetime, timedelta

import pytest

from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.notice_texts import Language, Notice
from varco_common.mail.stop_text import stop_text

NOW = datetime(2026, 11, 29, 14, 4, 0, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


EN, IT, ROME = Language.EN, Language.IT, "Europe/Rome"


@pytest.mark.parametrize(
    ("after", "language", "zone", "until"),
    [
        (HOUR, EN, "UTC", "until 15:05 UTC"),
        (HOUR, EN, ROME, "until 16:05"),
        (11 * HOUR, EN, "UTC", "until 2026-11-30 01:05 UTC"),
        (HOUR, IT, ROME, "fino alle 16:05"),
        (None, EN, ROME, "until an administrator lifts it"),
        (None, IT, ROME, "finché un amministratore non lo riattiva"),
    ],
)
def test_the_end_is_told_by_the_clock_of_the_account_and_never_too_early(after, language, zone, until):
    texts = AccountTexts(languages=(language,), time_zone=zone)
    text = stop_text("a@b.example", NOW + after if after else None, 3, texts, now=NOW, smtputf8=True)
    whole = {
        EN: f"Login a@b.example is stopped {until} after three unauthorised senders",
        IT: f"Il login a@b.example è sospeso {until} dopo tre mittenti non autorizzati",
    }
    assert text == whole[language]


@pytest.mark.parametrize(
    ("strikes", "language", "words"),
    [
        (1, EN, "after one unauthorised sender"),
        (12, EN, "after 12 unauthorised senders"),
        (1, IT, "dopo un mittente non autorizzato"),
    ],
)
def test_the_strikes_are_counted_as_people_count(strikes, language, words):
    texts = AccountTexts(languages=(language,), time_zone=ROME)
    assert stop_text("", NOW + HOUR, strikes, texts, now=NOW, smtputf8=False).endswith(words)


def test_a_login_can_break_no_reply_line():
    text = stop_text("x\r\n250 ok" + "y" * 1000, None, 3, AccountTexts(), now=NOW, smtputf8=False)
    assert "\r" not in text
    assert "\n" not in text
    assert len(text) < 400


def test_an_account_words_the_answer_in_each_of_its_languages():
    own = {Notice.LOGIN_STOPPED: {IT: "{login}: sospeso {end}, chiedere al 42"}}
    texts = AccountTexts(languages=(IT, EN), time_zone=ROME, notices=own)
    assert stop_text("mario", NOW + HOUR, 3, texts, now=NOW, smtputf8=False) == (
        "mario: sospeso fino alle 16:05, chiedere al 42\n"
        "Login mario is stopped until 16:05 after three unauthorised senders"
    )
    assert stop_text("", None, 1, texts, now=NOW, smtputf8=False).split("\n")[0] == (
        "L'invio da qui senza login e' sospeso finche' un amministratore non lo riattiva dopo un mittente non autorizzato"
    )
