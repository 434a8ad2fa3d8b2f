"""The link notice, plain and as HTML, in the account's languages and words. Pure."""

import html
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.dates import format_date
from varco_common.mail.notice_texts import Language, Notice
from varco_common.mail.notices import ascii_of, filled
from varco_filelink.model.account_settings import MONTH

MAX_NAME = 160  # characters

_NUMBERS = {
    Language.EN: "one two three four five six seven eight nine ten eleven twelve",
    Language.IT: "un due tre quattro cinque sei sette otto nove dieci undici dodici",
}
_UNITS = {Language.EN: (("month", "months"), ("day", "days")), Language.IT: (("mese", "mesi"), ("giorno", "giorni"))}


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


def link_notice(files: Sequence[LinkedFile], texts: AccountTexts, keep: timedelta, expires_at: datetime) -> LinkNotice:
    """One notice for all attachments of a mail. Their lines are in the account's first language."""
    line = texts.template(Notice.LINK_FILE, texts.languages[0]).strip()
    ends = [(language, _end(texts, language, len(files), keep, expires_at)) for language in texts.languages]
    text, ascii_words = (
        "\n".join([*_file_lines(files, words(line)), *(words(end) for _, end in ends)]) for words in (str, ascii_of)
    )
    return LinkNotice(text, _html(files, line, ends), ascii_words)


def _file_lines(files: Sequence[LinkedFile], line: str) -> Iterator[str]:
    for file in files:
        yield from (filled(line, {"name": file.name, "size": format_size(file.size)}), "", file.url, "")


def _html(files: Sequence[LinkedFile], line: str, ends: Sequence[tuple[Language, str]]) -> str:
    """A block in the reader's colours, left to right in any mail."""
    paragraphs = "\r\n".join(
        f'<p style="margin:0 0 0.7em 0">{_html_line(file, line)}<br>\r\n'
        f'<a href="{_escaped(file.url)}">{_escaped(file.url)}</a></p>'
        for file in files
    )
    last = "<br>\r\n".join(
        f'<span lang="{language}">{_escaped(part)}</span>' for language, end in ends for part in end.split("\n")
    )
    return (
        f'<div dir="ltr" lang="{ends[0][0]}" style="clear:both;margin:1.5em 0 0 0;padding:0.7em 0 0 0;'
        'border-top:1px solid #888888;text-align:left;overflow-wrap:anywhere">\r\n'
        f'{paragraphs}\r\n<p style="margin:0">{last}</p>\r\n</div>'
    )


def _html_line(file: LinkedFile, line: str) -> str:
    return filled(_escaped(line), {"name": f"<bdi>{_escaped(file.name)}</bdi>", "size": format_size(file.size)})


def _end(texts: AccountTexts, language: Language, count: int, keep: timedelta, at: datetime) -> str:
    """When the files are deleted. No line begins or ends with a blank."""
    facts = {"keep": spell_duration(language, keep), "date": format_date(language, texts.local(at))}
    text = texts.text(Notice.LINKS if count > 1 else Notice.LINK, language, facts)
    return "\n".join(line.strip() for line in text.split("\n"))


def spell_duration(language: Language, keep: timedelta) -> str:
    """`twelve months`, `dodici mesi`, `30 days`."""
    months, rest = divmod(keep, MONTH)
    number = months if months and not rest else max(round(keep / timedelta(days=1)), 1)
    singular, plural = _UNITS[language][0 if months and not rest else 1]
    words = _NUMBERS[language].split()
    return f"{words[number - 1] if number <= len(words) else number} {singular if number == 1 else plural}"


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
