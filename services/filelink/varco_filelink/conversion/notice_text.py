"""The text of the link notice, plain and as HTML, in English and the account's language. Pure."""

import html
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from varco_common.events import Language
from varco_common.mail.notices import ascii_of
from varco_filelink.model.account_settings import MONTH

MAX_NAME = 160  # characters

_NUMBERS = {
    Language.EN: "one two three four five six seven eight nine ten eleven twelve",
    Language.IT: "un due tre quattro cinque sei sette otto nove dieci undici dodici",
}
_MONTHS = {
    Language.EN: "January February March April May June July August September October November December",
    Language.IT: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}
_UNITS = {Language.EN: (("month", "months"), ("day", "days")), Language.IT: (("mese", "mesi"), ("giorno", "giorni"))}
_DELETED = {
    Language.EN: (
        "The file will be DELETED after {time} ({date}).",
        "The files will be DELETED after {time} ({date}).",
    ),
    Language.IT: ("Il file verrà ELIMINATO dopo {time} ({date}).", "I file verranno ELIMINATI dopo {time} ({date})."),
}


class LinkedFile(NamedTuple):
    """One attachment: the name to show, its size in bytes, its link."""

    name: str
    size: int
    url: str


class LinkNotice(NamedTuple):
    """`text` has LF line ends, and no line begins or ends with a blank; `html` is ASCII.

    `ascii_words` is `text` with ASCII words, for parts that can't carry all letters. The names of
    files are the same in it.
    """

    text: str
    html: str
    ascii_words: str


def link_notice(files: Sequence[LinkedFile], language: Language, keep: timedelta, expires_at: datetime) -> LinkNotice:
    """One notice for all attachments of a mail."""
    languages = [Language.EN, *([language] if language is not Language.EN else [])]
    deleted = [(name, _deleted(name, len(files), keep, expires_at)) for name in languages]
    lines = [
        line for file in files for line in (f"[{file.name}] ({format_size(file.size)}) moved to:", "", file.url, "")
    ]
    ends = [line for _, line in deleted]
    text, ascii_words = ("\n".join([*lines, *words]) for words in (ends, map(ascii_of, ends)))
    return LinkNotice(text, _html(files, deleted), ascii_words)


def _html(files: Sequence[LinkedFile], deleted: Sequence[tuple[Language, str]]) -> str:
    """A block in the reader's colours, left to right in any mail."""
    paragraphs = "\r\n".join(
        f'<p style="margin:0 0 0.7em 0">[<bdi>{_escaped(file.name)}</bdi>] ({format_size(file.size)}) moved to:<br>\r\n'
        f'<a href="{_escaped(file.url)}">{_escaped(file.url)}</a></p>'
        for file in files
    )
    ends = "<br>\r\n".join(f'<span lang="{language}">{_escaped(line)}</span>' for language, line in deleted)
    return (
        '<div dir="ltr" lang="en" style="clear:both;margin:1.5em 0 0 0;padding:0.7em 0 0 0;'
        'border-top:1px solid #888888;text-align:left;overflow-wrap:anywhere">\r\n'
        f'{paragraphs}\r\n<p style="margin:0">{ends}</p>\r\n</div>'
    )


def _deleted(language: Language, count: int, keep: timedelta, at: datetime) -> str:
    return _DELETED[language][count > 1].format(time=spell_duration(language, keep), date=format_date(language, at))


def spell_duration(language: Language, keep: timedelta) -> str:
    """`twelve months`, `dodici mesi`, `30 days`."""
    months, rest = divmod(keep, MONTH)
    number = months if months and not rest else max(round(keep / timedelta(days=1)), 1)
    singular, plural = _UNITS[language][0 if months and not rest else 1]
    words = _NUMBERS[language].split()
    return f"{words[number - 1] if number <= len(words) else number} {singular if number == 1 else plural}"


def format_date(language: Language, at: datetime) -> str:
    """`24 November 2027`."""
    return f"{at.day} {_MONTHS[language].split()[at.month - 1]} {at.year}"


def format_size(size: int) -> str:
    """`43.96 MB`, `7 MB`, `350 kB`: as people write sizes, with 1 MB as a million bytes."""
    if size < 1_000_000:
        return f"{max(round(size / 1000), 1)} kB"
    return f"{size / 1_000_000:.2f}".rstrip("0").rstrip(".") + " MB"


def display_name(names: Sequence[str], extension: str) -> str:
    """The first name without folders, controls and direction marks; never empty."""
    whole = names[0].replace("\\", "/").rpartition("/")[2] if names else ""
    clean = "".join(char for char in whole if unicodedata.category(char)[0] != "C")
    clean = " ".join(clean.split()).strip(". ")
    if not clean:
        return f"attachment.{extension}"
    if len(clean) <= MAX_NAME:
        return clean
    stem, dot, end = clean.rpartition(".")
    return f"{stem[: MAX_NAME - 20]}...{dot}{end[:15]}" if dot else clean[:MAX_NAME]


def _escaped(text: str) -> str:
    return html.escape(text, quote=False).encode("ascii", "xmlcharrefreplace").decode()
