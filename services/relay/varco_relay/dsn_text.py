"""What a DSN tells the sender of a mail, in the languages and words of the account. Pure."""

from datetime import datetime

from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.dates import format_time
from varco_common.mail.envelope import Envelope
from varco_common.mail.notice_texts import Language, Notice

UNKNOWN = AccountTexts(languages=(Language.EN, Language.IT))  # of an account that relay has not seen

_BY_GATE = {Language.EN: "(this gate)", Language.IT: "(questo server)"}


def subject(texts: AccountTexts) -> str:
    return " / ".join(texts.text(Notice.BOUNCE_SUBJECT, language, {}) for language in texts.languages)


def introduction(texts: AccountTexts, envelope: Envelope, now: datetime, *, expired: bool) -> list[str]:
    """The lines before the recipients."""
    days = max(1, round((now - envelope.received_at).total_seconds() / 86_400))
    lines = []
    for language in texts.languages:
        sent = format_time(language, texts.local(envelope.received_at))
        facts = {"mail": envelope.id, "sent": sent, "days": days}
        text = texts.text(Notice.BOUNCE_EXPIRED if expired else Notice.BOUNCE, language, facts)
        lines += [*text.split("\n"), ""]
    return lines


def answer(texts: AccountTexts, text: str, *, by_gate: bool) -> str:
    """The answer to one recipient, and who gave it if it was not the next hop."""
    return f"{_BY_GATE[texts.languages[0]]} {text}" if by_gate else text
