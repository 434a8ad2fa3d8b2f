"""What the sender of a refused mail reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from varco_common.mail.notice_texts import FACTS, TEXTS, Language, Notice
from varco_common.mail.notices import ascii_of, notice, shown, wrong_with
from varco_common.mail.replies import Reply

FORBIDDEN_IT = (
    'L\'allegato "esempio.zip"\n'
    "ha violato la politica di sicurezza della vostra azienda.\n"
    "\n"
    "La spedizione e' stata bloccata.\n"
    "Per ulteriori informazioni, contattare l'Amministratore IT"
)


def test_the_italian_notice_of_an_attachment_is_the_provider_s():
    assert notice(Notice.ATTACHMENT, Language.IT, {"name": "esempio.zip"}) == FORBIDDEN_IT


def test_the_italian_notice_of_a_big_mail_names_the_limit_and_is_the_provider_s():
    text = notice(Notice.SIZE, Language.IT, {"limit": 20_000_000}, smtputf8=True)
    assert text == (
        "La dimensione del messaggio che si sta tentando di inviare supera\n"
        "il limite di dimensione globale (20000000 byte) del server.\n"
        "Il messaggio non è stato inviato; ridurre la dimensione del messaggio e riprovare."
    )
    assert "non e' stato inviato" in notice(Notice.SIZE, Language.IT, {"limit": 1})


def test_a_notice_is_a_reply_of_several_lines():
    lines = Reply.FORBIDDEN_ATTACHMENT.answer.line(FORBIDDEN_IT).split("\r\n")
    assert lines[0] == '554-5.7.1 L\'allegato "esempio.zip"'
    assert lines[2] == "554-5.7.1 "
    assert lines[-1] == "554 5.7.1 Per ulteriori informazioni, contattare l'Amministratore IT"


def test_an_account_s_own_words_come_first():
    assert notice(Notice.ATTACHMENT, Language.EN, {"name": "a.exe"}, own="No {name} here.") == "No a.exe here."


def test_a_fact_is_never_read_as_a_place_for_another():
    assert notice(Notice.SENDER, Language.EN, {"sender": "{account}", "seen": "From", "account": "acme"}) == (
        'Sender not authorised: "{account}" (From) is not among the senders of account "acme"'
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ('a"b.zip', "a'b.zip"),
        ("a\r\n250 2.0.0 Ok.zip", "a 250 2.0.0 Ok.zip"),
        ("in\u202egpj.exe", "ingpj.exe"),
        ("nul\x00.exe", "nul.exe"),
        ("x" * 300 + ".exe", "x" * 60 + "..." + "x" * 56 + ".exe"),
    ],
)
def test_a_name_is_put_in_as_one_short_line(name, text):
    assert shown(name) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("verrà perché è così più", "verra' perche' e' cosi' piu'"),
        ("fàttura.pdf", "fattura.pdf"),
        ("“tipo” \u2013 5 €…", '"tipo" - 5 EUR...'),
        ("文.zip", "?.zip"),
        ("Müller", "Muller"),
    ],
)
def test_accents_become_ascii(text, plain):
    assert ascii_of(text) == plain


@given(st.sampled_from(list(Notice)), st.sampled_from(list(Language)), st.text(), st.booleans())
def test_whatever_a_mail_is_called_its_notice_is_lines_that_fit(kind, language, fact, smtputf8):
    text = notice(kind, language, dict.fromkeys(FACTS[kind], fact), smtputf8=smtputf8)
    for line in text.split("\n"):
        assert len(line.encode()) <= 474
        assert not set(line) & set("\r\n\0\x85\u2028")
        assert smtputf8 or line.isascii()


def test_varco_s_own_words_pass_its_own_check():
    for kind, texts in TEXTS.items():
        assert [wrong_with(kind, text) for text in texts.values()] == ["", ""]


@pytest.mark.parametrize(
    "text", ["", " \n ", "{nome}", "{name.__class__} {limit}", "a\x07b", "x" * 301, "\n" * 20 + "x"]
)
def test_words_that_would_break_a_reply_are_refused(text):
    assert wrong_with(Notice.ATTACHMENT, text)
