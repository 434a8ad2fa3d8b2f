"""The texts of refusals in each language, which tell the sender of a mail what to change."""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

MAX_LINE_BYTES = 480  # RFC 5321 4.5.3.1.5: a reply line has 512 octets, code and CRLF included
MAX_NAME = 120


class Language(StrEnum):
    """The languages that a notice can be in."""

    IT = "it"
    EN = "en"


class Notice(StrEnum):
    """The refusals whose text an account can choose."""

    ATTACHMENT = "attachment"
    SIZE = "size"
    SENDER = "sender"
    RECIPIENTS = "recipients"
    STRUCTURE = "structure"
    AUTHOR = "author"
    DISPLAY_NAME = "display-name"


# The Italian texts are the provider's own. They have `e'` for `è`, as a reply is ASCII unless the
# client used SMTPUTF8.
TEXTS: dict[Notice, dict[Language, str]] = {
    Notice.ATTACHMENT: {
        Language.IT: (
            'L\'allegato "{name}"\n'
            "ha violato la politica di sicurezza della vostra azienda.\n"
            "\n"
            "La spedizione e' stata bloccata.\n"
            "Per ulteriori informazioni, contattare l'Amministratore IT"
        ),
        Language.EN: (
            'The attachment "{name}"\n'
            "violated your company's security policy.\n"
            "\n"
            "The mail has been stopped.\n"
            "For further information, contact the IT Administrator"
        ),
    },
    Notice.SIZE: {
        Language.IT: (
            "La dimensione del messaggio che si sta tentando di inviare supera\n"
            "il limite di dimensione globale ({limit} byte) del server.\n"
            "Il messaggio non è stato inviato; ridurre la dimensione del messaggio e riprovare."
        ),
        Language.EN: (
            "The size of the message that you are trying to send exceeds\n"
            "the global size limit ({limit} bytes) of the server.\n"
            "The message was not sent; reduce the message size and try again."
        ),
    },
    Notice.SENDER: {
        Language.IT: 'Mittente non autorizzato: "{sender}" ({seen}) non è tra i mittenti dell\'account "{account}"',
        Language.EN: 'Sender not authorised: "{sender}" ({seen}) is not among the senders of account "{account}"',
    },
    Notice.RECIPIENTS: {
        Language.IT: "Troppi destinatari: al massimo {limit} per messaggio",
        Language.EN: "Too many recipients: at most {limit} for each message",
    },
    Notice.STRUCTURE: {
        Language.IT: "La struttura del messaggio è ambigua o difettosa e potrebbe nascondere un allegato: {reason}",
        Language.EN: "The message's structure is ambiguous or broken and could hide an attachment: {reason}",
    },
    Notice.AUTHOR: {
        Language.IT: (
            "Il campo From (mittente) del messaggio non è leggibile.\n"
            "Deve avere questa forma: From: Alice Rossi <alice@example.com>\n"
            'Un nome con una virgola o altri segni va tra virgolette: From: "Rossi, Alice" <alice@example.com>'
        ),
        Language.EN: (
            "The From field of the message can't be read.\n"
            "It must look like this: From: Alice Rossi <alice@example.com>\n"
            'A name with a comma or other signs needs quotation marks: From: "Rossi, Alice" <alice@example.com>'
        ),
    },
    Notice.DISPLAY_NAME: {
        Language.IT: 'Il nome del mittente contiene "{address}", che non è tra i mittenti dell\'account "{account}"',
        Language.EN: 'The sender\'s name holds "{address}", which is not among the senders of account "{account}"',
    },
}
FACTS: dict[Notice, tuple[str, ...]] = {
    Notice.ATTACHMENT: ("name",),
    Notice.SIZE: ("limit",),
    Notice.SENDER: ("sender", "seen", "account"),
    Notice.RECIPIENTS: ("limit",),
    Notice.STRUCTURE: ("reason",),
    Notice.AUTHOR: (),
    Notice.DISPLAY_NAME: ("address", "account"),
}

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
    template = own or TEXTS[kind][language]
    text = _FACT.sub(lambda match: shown(str(facts.get(match[1], ""))), template)
    return "\n".join(_fit(line if smtputf8 else ascii_of(line)) for line in text.split("\n"))


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
        return f"{{{unknown[0]}}} is not known here; known are {', '.join(f'{{{name}}}' for name in FACTS[kind])}"
    if not text.strip():
        return "a notice needs words"
    if len(lines) > 20 or any(len(line.encode()) > 300 for line in lines):
        return "a notice has at most 20 lines of 300 bytes"
    if any(unicodedata.category(c)[0] == "C" for line in lines for c in line):
        return "a notice holds no control characters"
    return ""


def _fit(line: str) -> str:
    return line.encode()[:MAX_LINE_BYTES].decode(errors="ignore")
