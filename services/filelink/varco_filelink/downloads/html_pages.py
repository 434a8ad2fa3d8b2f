"""The HTML pages: a file to download, an ended link, an unknown one.

Without scripts, in both languages.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from html import escape

from varco_common.events import Language
from varco_common.mail.account_texts import AccountTexts
from varco_common.mail.dates import format_date
from varco_common.mail.notice_texts import Notice
from varco_filelink.conversion.notice_text import format_size
from varco_filelink.model.link_state import Link

STYLE = """
:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;margin:0;padding:10vh 1.2rem 2rem}
main{max-width:34rem;margin:auto}
h1{font-size:1.35rem;line-height:1.3;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1.2rem;margin:1.5rem 0}
dt{opacity:.75}
dd{margin:0;overflow-wrap:anywhere}
a.button{display:inline-block;padding:.7rem 1.6rem;border-radius:.4rem;background:#0b57d0;color:#fff;
text-decoration:none;font-weight:600}
a.button:focus-visible{outline:3px solid;outline-offset:3px}
""".strip()

_PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""
_TEXTS: dict[Language, Mapping[str, str]] = {
    Language.EN: {
        "size": "Size",
        "from": "Sent by",
        "until": "Available until",
        "download": "Download",
        "gone": "This file is no longer available",
        "revoked": "This file was revoked",
        "unknown": "There is no such file",
        "unknown_text": "Check that the address is complete.",
        "busy": "Not available at the moment",
        "busy_text": "Please try again in a few minutes.",
        "slow": "Too many requests",
        "slow_text": "Please try again in a minute.",
    },
    Language.IT: {
        "size": "Dimensione",
        "from": "Inviato da",
        "until": "Disponibile fino al",
        "download": "Scarica",
        "gone": "Il file non è più disponibile",
        "revoked": "Il file è stato revocato",
        "unknown": "Il file non esiste",
        "unknown_text": "Controllare che l'indirizzo sia completo.",
        "busy": "Al momento non disponibile",
        "busy_text": "Riprovare fra qualche minuto.",
        "slow": "Troppe richieste",
        "slow_text": "Riprovare fra un minuto.",
    },
}
_CHOICE = re.compile(r"\s*+([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]++)?\s*+(?:;\s*+q\s*+=\s*+([01](?:\.\d{0,3})?))?\s*+")


def negotiate_language(accept: str) -> Language:
    """The language that Accept-Language prefers (RFC 9110 12.5.4); English if it names neither."""
    weights: dict[str, float] = {}
    for part in accept.split(",")[:30]:
        if match := _CHOICE.fullmatch(part):
            weights.setdefault(match[1].lower(), float(match[2] or 1))
    best = max(Language, key=lambda language: (weights.get(str(language), 0.0), language is Language.EN))
    return best if weights.get(str(best), 0.0) > 0 else Language.EN


def file_page(link: Link, language: Language, expires_at: datetime) -> str:
    """Name, size and end of a file, and the button that downloads it.

    The end is the day of `expires_at` in the zone that it has.
    """
    texts = _TEXTS[language]
    rows = (
        (texts["size"], format_size(link.size)),
        (texts["from"], link.domain or "-"),
        (texts["until"], format_date(language, expires_at)),
    )
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    button = f'<a class="button" href="?download" rel="nofollow">{escape(texts["download"])}</a>'
    return _page(language, link.name, f"<h1><bdi>{escape(link.name)}</bdi></h1>\n<dl>{facts}</dl>\n<p>{button}</p>")


def ended_page(link: Link, language: Language, texts: AccountTexts) -> str:
    """An ended link, in the words of its account."""
    text = texts.text(Notice.LINK_REVOKED if link.revoked else Notice.LINK_ENDED, language, {})
    return _message_page(_TEXTS[language]["revoked" if link.revoked else "gone"], text, language)


def message_page(kind: str, language: Language) -> str:
    """`unknown`, `busy` or `slow`."""
    return _message_page(_TEXTS[language][kind], _TEXTS[language][f"{kind}_text"], language)


def _message_page(title: str, text: str, language: Language) -> str:
    body = "<br>\n".join(map(escape, text.split("\n")))
    return _page(language, title, f"<h1>{escape(title)}</h1>\n<p>{body}</p>")


def _page(language: Language, title: str, body: str) -> str:
    return _PAGE.format(lang=language, title=escape(title), style=STYLE, body=body)


def title(kind: str, language: Language) -> str:
    """The first line of the message, for programs."""
    return _TEXTS[language][kind]
