"""What a client hears whose login is stopped, in the account's language and time zone. Pure."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from varco_common.mail.notice_texts import Language
from varco_common.mail.notices import shown

_NUMBERS = {
    Language.EN: ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    Language.IT: ["un", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci"],
}
_WHO = {
    Language.EN: ("Login {login} is", "Sending from here without a login is"),
    Language.IT: ("Il login {login} è", "L'invio da qui senza login è"),
}
_UNTIL = {
    Language.EN: ("until {time}", "until an administrator lifts it"),
    Language.IT: ("fino alle {time}", "finché un amministratore non lo riattiva"),
}
_TEXTS = {
    Language.EN: ("{who} stopped {until} after {n} unauthorised sender", "s"),
    Language.IT: ("{who} sospeso {until} dopo {n} mittent", "i non autorizzati"),
}
_SINGULAR = {Language.EN: "", Language.IT: "e non autorizzato"}


def stop_text(
    login: str, until: datetime | None, strikes: int, language: Language, time_zone: str, *, now: datetime
) -> str:
    """`Login mario@acme.example is stopped until 15:04 after three unauthorised senders`.

    An empty `login` stands for what a network may send without one. `until` None: until lifted.
    """
    who = _WHO[language][not login].format(login=shown(login))
    end = _UNTIL[language][until is None].format(time=_time(until, now, ZoneInfo(time_zone)) if until else "")
    text, plural = _TEXTS[language]
    numbers = _NUMBERS[language]
    n = numbers[strikes - 1] if 0 < strikes <= len(numbers) else str(strikes)
    return text.format(who=who, until=end, n=n) + (_SINGULAR[language] if strikes == 1 else plural)


def _time(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`15:04` today, else with the date; UTC is named, as many accounts have never chosen a zone.

    It is rounded up to the minute, so that nobody comes too early.
    """
    local = (at + timedelta(seconds=59, microseconds=999_999)).astimezone(zone)
    day = "" if local.date() == now.astimezone(zone).date() else f"{local:%Y-%m-%d} "
    return f"{day}{local:%H:%M}" + (" UTC" if zone.key == "UTC" else "")
