"""Texts for end users: facts are inserted, and each line is made fit for an SMTP reply.

An account's own text of a notice stands in the place of Varco's. Pure.
"""

import re
import unicodedata
from collections.abc import Mapping

from varco_common.mail.notice_texts import FACTS, ONE_LINE, TEXTS, Language, Notice

# RFC 5321 4.5.3.1.5: a reply line has 512 octets. Codes, the mail's id and CRLF need up to 38.
MAX_LINE_BYTES = 474
MAX_NAME = 120

_FACT = re.compile(r"\{(\w+)\}")
_ASCII = str.maketrans(
    {
        0x2018: "'",
        0x2019: "'",
        0x201C: '"',
        0x201D: '"',
        0xAB: '"',
        0xBB: '"',
        0x2013: "-",
        0x2014: "-",
        0x2026: "...",
        0x20AC: "EUR",
        0xDF: "ss",
    }
)  # quotation marks, dashes, ellipsis, euro, sharp s
_FINAL_ACCENT = re.compile(r"([aeiouAEIOU])[\u0300\u0301](?!\w)")


def notice(
    kind: Notice, language: Language, facts: Mapping[str, object], own: str = "", *, smtputf8: bool = False
) -> str:
    """The text of a refusal: lines separated by LF, each short enough for a reply line.

    `own` is the account's own text. The result is ASCII unless the client used SMTPUTF8 (RFC 6531
    3.7.4.2). Facts are inserted without control characters.
    """
    text = with_facts(own or TEXTS[kind][language], facts)
    return "\n".join(_fit(line if smtputf8 else ascii_of(line)) for line in text.split("\n"))


def with_facts(template: str, facts: Mapping[str, object]) -> str:
    """The template with what stands in curly brackets replaced: each fact as one short line."""
    return filled(template, {name: shown(str(fact)) for name, fact in facts.items()})


def filled(template: str, facts: Mapping[str, str]) -> str:
    """The template with what stands in curly brackets replaced in one pass, as it is."""
    return _FACT.sub(lambda match: facts.get(match[1], ""), template)


def shown(fact: str) -> str:
    """Makes a file name or an address fit for quotation marks in a reply: one short line."""
    clean = "".join(" " if c.isspace() else c for c in fact if c.isspace() or unicodedata.category(c)[0] != "C")
    clean = " ".join(clean.replace('"', "'").split())
    return clean if len(clean) <= MAX_NAME else f"{clean[: MAX_NAME // 2]}...{clean[-MAX_NAME // 2 :]}"


def ascii_of(text: str) -> str:
    """`è` becomes `e'` at the end of a word, as in Italian ASCII, else `e`; unknown letters `?`."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFD", text.translate(_ASCII))
    plain = _FINAL_ACCENT.sub(r"\1'", plain)
    plain = unicodedata.normalize("NFKD", plain)
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()


def wrong_with(kind: Notice, text: str) -> str:
    """What is wrong with an account's own text; empty if nothing is."""
    unknown = [name for name in _FACT.findall(text) if name not in FACTS[kind]]
    lines = text.split("\n")
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in FACTS[kind])
        return f"{{{unknown[0]}}} is not known here; {f'known are {known}' if known else 'no fact is'}"
    if not text.strip():
        return "a notice needs words"
    if kind in ONE_LINE and len(lines) > 1:
        return "this notice is one line"
    if len(lines) > 20 or any(len(line.encode()) > 300 for line in lines):
        return "a notice has at most 20 lines of 300 bytes"
    if any(unicodedata.category(c)[0] == "C" for line in lines for c in line):
        return "a notice holds no control characters"
    return ""


def _fit(line: str) -> str:
    return line.encode()[:MAX_LINE_BYTES].decode(errors="ignore")
