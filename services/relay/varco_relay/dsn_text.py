"""What a DSN tells the sender of a mail, in the languages and words of the account. Pure."""

from datetime import datetime

from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.dates import format_time
from varco_common.mail.envelope import Envelope
from varco_common.mail.notice_texts import Language, Notice
from varco_relay.model.queue import DsnAction

UNKNOWN = AccountTexts(languages=(Language.EN, Language.IT))  # of an account that relay has not seen

_SUBJECTS = {
    DsnAction.DELAYED: {Language.EN: "Delayed mail", Language.IT: "Messaggio in ritardo"},
    DsnAction.RELAYED: {Language.EN: "Mail passed on", Language.IT: "Messaggio inoltrato"},
}
_TEXTS = {
    DsnAction.DELAYED: {
        Language.EN: "Your mail {mail} could not be delivered yet. It is tried further. The last answers:",
        Language.IT: "Il vostro messaggio {mail} non è ancora stato consegnato. Si continua a tentare. "
        "Le ultime risposte:",
    },
    DsnAction.RELAYED: {
        Language.EN: "Your mail {mail} was passed on to a server that does not tell whether it delivers. Its answers:",
        Language.IT: "Il vostro messaggio {mail} è stato passato a un server che non conferma la consegna. "
        "Le sue risposte:",
    },
}
_BY_GATE = {Language.EN: "(this gate)", Language.IT: "(questo server)"}


def subject(texts: AccountTexts, action: DsnAction) -> str:
    if action is DsnAction.FAILED:
        return " / ".join(texts.text(Notice.BOUNCE_SUBJECT, language, {}) for language in texts.languages)
    return " / ".join(_SUBJECTS[action][language] for language in texts.languages)


def progress(texts: AccountTexts, mail: str, action: DsnAction) -> list[str]:
    """The lines before the recipients of a mail that has not failed."""
    return [line for language in texts.languages for line in (_TEXTS[action][language].format(mail=mail), "")]


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
