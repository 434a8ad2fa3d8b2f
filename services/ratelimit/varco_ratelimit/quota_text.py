"""What a client hears whose mail goes over a limit, in the languages of its account. Pure."""

from varco_common.base import units
from varco_common.events import Language, Limit, Meter, Window
from varco_common.mail.account_texts import UTC, AccountTexts
from varco_common.mail.ballot import Ballot
from varco_common.mail.notice_texts import Notice
from varco_ratelimit import quota_windows
from varco_ratelimit.counters import WHOLE_ACCOUNT
from varco_ratelimit.limit_status import LimitStatus
from varco_ratelimit.model import AccountQuotas

_BYTES = {Language.EN: "bytes", Language.IT: "byte"}
_NOUNS = {  # one, several
    Language.EN: {
        Meter.MESSAGES: ("message", "messages"),
        Meter.RECIPIENTS: ("recipient", "recipients"),
        Meter.FIRST_TIME: ("first-time recipient", "first-time recipients"),
    },
    Language.IT: {
        Meter.MESSAGES: ("messaggio", "messaggi"),
        Meter.RECIPIENTS: ("destinatario", "destinatari"),
        Meter.FIRST_TIME: ("destinatario nuovo", "destinatari nuovi"),
    },
}
_PER = {
    Language.EN: {window: f"per {quota_windows.text(window)}" for window in Window},
    Language.IT: {
        Window.HOUR: "in 1 ora",
        Window.DAY: "in 1 giorno",
        Window.CALENDAR_DAY: "al giorno",
    },
}
_ACCOUNT = {Language.EN: "account {name}", Language.IT: "l'account {name}"}


def quota_text(ballot: Ballot, account: AccountQuotas, status: LimitStatus, at: int | None, texts: AccountTexts) -> str:
    """`at`: when a message is allowed again, in milliseconds since 1970.

    None: the mail goes over the limit by itself. The time is in the account's time zone, or else
    in the one of its quotas.
    """
    envelope = ballot.envelope
    zone = account.quotas.time_zone if texts.time_zone == UTC else texts.time_zone

    def facts(language: Language) -> dict[str, str]:
        whole = _ACCOUNT[language].format(name=account.account)
        return {
            "recipient": envelope.recipients[0] if envelope.recipients else "",
            "sender": whole if status.sender == WHOLE_ACCOUNT else envelope.sender or "<>",
            "limit": limit_text(status.meter, status.limit, language),
            "until": quota_windows.local_time(zone, at) if at is not None else "",
        }

    kind = Notice.QUOTA_MESSAGE if at is None else Notice.QUOTA
    return texts.reply(kind, facts, smtputf8=envelope.smtputf8)


def limit_text(meter: Meter, limit: Limit, language: Language) -> str:
    """`100 messages per 1 day`, `50MB in 1 ora`."""
    return f"{amount_text(meter, limit.limit, language)} {_PER[language][limit.per]}"


def amount_text(meter: Meter, amount: int, language: Language = Language.EN) -> str:
    """`100 messages`, `1 recipient`, `50MB`."""
    if meter is Meter.BYTES:
        return units.format_size(amount) if amount >= 1000 else f"{amount} {_BYTES[language]}"
    return f"{amount} {_NOUNS[language][meter][amount != 1]}"
