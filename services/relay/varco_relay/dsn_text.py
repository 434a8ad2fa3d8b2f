"""What a DSN tells the sender of a mail, in the language of the account. Pure."""

from collections.abc import Sequence

from varco_common.events import Language

BOTH = (Language.EN, Language.IT)  # for an account whose language relay has not seen

_SUBJECTS = {Language.EN: "Undelivered mail", Language.IT: "Messaggio non consegnato"}
_REFUSED = {
    Language.EN: (
        "Your mail {mail} could not be delivered: it was refused for good.",
        "It will not be tried again. What was answered for each recipient:",
    ),
    Language.IT: (
        "Il vostro messaggio {mail} non è stato consegnato: è stato rifiutato.",
        "Non verrà ritentato. La risposta per ogni destinatario:",
    ),
}
_EXPIRED = {
    Language.EN: "Your mail {mail} could not be delivered: it was tried for {days} day(s), and is given up.",
    Language.IT: "Il vostro messaggio {mail} non è stato consegnato: si è tentato per {days} giorno/i, senza successo.",
}
_BY_GATE = {Language.EN: "(this gate)", Language.IT: "(questo server)"}


def languages_of(language: Language | None) -> tuple[Language, ...]:
    """The languages of a DSN; None: the account's is not known."""
    return BOTH if language is None else (language,)


def subject(languages: Sequence[Language]) -> str:
    return " / ".join(_SUBJECTS[language] for language in languages)


def introduction(languages: Sequence[Language], mail: str, days: int, *, expired: bool) -> list[str]:
    """The lines before the recipients. `days` is how long the mail was tried."""
    lines = []
    for language in languages:
        refused, rest = _REFUSED[language]
        first = _EXPIRED[language] if expired else refused
        lines += [first.format(mail=mail, days=days), rest, ""]
    return lines


def answer(languages: Sequence[Language], text: str, *, by_gate: bool) -> str:
    """The answer to one recipient, and who gave it if it was not the next hop."""
    return f"{_BY_GATE[languages[0]]} {text}" if by_gate else text
