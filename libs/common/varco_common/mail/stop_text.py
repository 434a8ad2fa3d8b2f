"""What a client hears whose login is stopped, in the account's languages and time zone. Pure."""

from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from varco_common.mail.account_texts import AccountTexts, Facts
from varco_common.mail.notice_texts import Language, Notice

_NUMBERS = {
    Language.EN: ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    Language.IT: ["un", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci"],
}
_END = {
    Language.EN: ("until {time}", "until an administrator lifts it"),
    Language.IT: ("fino alle {time}", "finché un amministratore non lo riattiva"),
}
_SENDERS = {
    Language.EN: ("{n} unauthorised sender", "{n} unauthorised senders"),
    Language.IT: ("{n} mittente non autorizzato", "{n} mittenti non autorizzati"),
}


def stop_text(
    login: str, until: datetime | None, strikes: int, texts: AccountTexts, *, now: datetime, smtputf8: bool
) -> str:
    """`Login mario@acme.example is stopped until 15:04 after three unauthorised senders`.

    An empty `login` stands for what a network may send without one. `until` None: until lifted.
    """
    kind = Notice.LOGIN_STOPPED if login else Notice.SENDING_STOPPED
    return texts.reply(kind, partial(_facts, login, until, strikes, texts.time_zone, now), smtputf8=smtputf8)


def _facts(  # noqa: PLR0917 - the language comes last
    login: str, until: datetime | None, strikes: int, zone: str, now: datetime, language: Language
) -> Facts:
    end = _END[language][until is None].format(time=_time(until, now, ZoneInfo(zone)) if until else "")
    numbers = _NUMBERS[language]
    n = numbers[strikes - 1] if 0 < strikes <= len(numbers) else str(strikes)
    facts = {"end": end, "senders": _SENDERS[language][strikes != 1].format(n=n)}
    return facts | ({"login": login} if login else {})


def _time(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`15:04` today, else with the date; UTC is named, as many accounts have never chosen a zone.

    It is rounded up to the minute, so that nobody comes too early.
    """
    local = (at + timedelta(seconds=59, microseconds=999_999)).astimezone(zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M}" + (" UTC" if zone.key == "UTC" else "")
