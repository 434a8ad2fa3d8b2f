"""Dates and times as end users read them, in each language. Pure."""

from datetime import datetime

from varco_common.mail.notice_texts import Language

_MONTHS = {
    Language.EN: "January February March April May June July August September October November December",
    Language.IT: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}


def format_date(language: Language, at: datetime) -> str:
    """`24 November 2027`, on the day that it is in the zone of `at`."""
    return f"{at.day} {_MONTHS[language].split()[at.month - 1]} {at.year}"


def format_time(language: Language, at: datetime) -> str:
    """`24 November 2027, 15:04 (+0100)`."""
    return f"{format_date(language, at)}, {at:%H:%M (%z)}"
