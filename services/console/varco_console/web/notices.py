"""What a change did, on the page that its form leads back to: `?done=dropped&count=3`."""

from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse

from varco_console.web.texts import Texts

_FACTS = ("count", "left")  # numbers in the texts
_MAX_DIGITS = 9


class PageNotice(NamedTuple):
    """`tone` is good or warn."""

    text: str
    tone: str


def back_to(path: str, done: str, **facts: str | int) -> RedirectResponse:
    """Leads to the page with the text `done_<done>` or `warn_<done>`.

    `facts` stand in its address, too.
    """
    query = urlencode({name: value for name, value in {"done": done, **facts}.items() if value != ""})
    return RedirectResponse(f"{path}?{query}", HTTPStatus.SEE_OTHER)


def notice_of(request: Request, texts: Texts) -> PageNotice | None:
    """What stands in the address of the page. Nothing but our own texts and numbers is shown."""
    asked = request.query_params
    numbers = {name: asked.get(name, "") for name in _FACTS}
    facts = {name: f"{int(text):,}" for name, text in numbers.items() if text.isdecimal() and len(text) <= _MAX_DIGITS}
    for prefix, tone in (("done", "good"), ("warn", "warn")):
        if texts.has(key := f"{prefix}_{asked.get('done', '')}"):
            return PageNotice(texts(key, **dict.fromkeys(_FACTS, "0") | facts), tone)
    return None
