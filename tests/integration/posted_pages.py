"""The pages that answer a form: how a browser comes to each of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from playwright.sync_api import Page, Response

from tests.integration.console_people import PASSWORD, ROUTES
from varco_console.web.downloads import Download

_SEND = """([path, fields]) => {
  const form = document.createElement("form");
  form.method = "post";
  form.action = path;
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("textarea");
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""
_FILE = "account: acme\nsenders: [nobody@acme.test]\n"  # would have refused the mails of today
_PROOF = {"proof": PASSWORD}
_REASON = {"reason": "a test of the pages"}


class PostedPage(NamedTuple):
    """What is sent from page `start`, and the status of the answer.

    `ready` selects what is there once the page is whole.
    """

    start: str
    fields: dict[str, str]
    status: int = 200
    ready: str = "main h1"


ACCOUNT = "/accounts/{account}"
POSTED_PAGES = {
    "/login": PostedPage("/me", {"name": "nobody", "password": "wrong"}, 403),
    "/password/{link}": PostedPage("/password/{link}", {"password": "short"}, 422),
    "/me/second-factor": PostedPage("/me/second-factor", {"secret": "A" * 32, "code": "000000"}, 422),
    "/me/second-factor/remove": PostedPage("/me", {}, 422),
    ACCOUNT: PostedPage(ACCOUNT, {"text": _FILE, "versions": "rules=0", **_REASON}, 409),
    f"{ACCOUNT}/difference": PostedPage(ACCOUNT, {"text": _FILE}, ready="#what-if a[href^='/mails/']"),
    f"{ACCOUNT}/edit": PostedPage(ACCOUNT, {"text": _FILE}),
    f"{ACCOUNT}/history/{{event}}/undo": PostedPage(f"{ACCOUNT}/history", {}, 422),
    f"{ACCOUNT}/senders": PostedPage(f"{ACCOUNT}/senders", {"pattern": "no sender"}, 422),
    f"{ACCOUNT}/senders/remove": PostedPage(f"{ACCOUNT}/senders", {"pattern": "gone@acme.test"}, 404),
    f"{ACCOUNT}/senders/preview": PostedPage(f"{ACCOUNT}/senders", {"text": "new@acme.test\nno sender\n"}),
    f"{ACCOUNT}/limits/exceptions": PostedPage(f"{ACCOUNT}/limits", {"sender": "no sender", **_REASON}, 422),
    f"{ACCOUNT}/limits/exceptions/remove": PostedPage(
        f"{ACCOUNT}/limits", {"sender": "gone@acme.test", **_REASON}, 404
    ),
    "/people": PostedPage("/people", {"name": "{new}", "role": "reader", "account": "acme", **_PROOF}),
    "/people/{name}/link": PostedPage("/people", _PROOF),
    "/people/{name}/second-factor": PostedPage("/people", {}, 422),
    "/tokens": PostedPage("/tokens", {"name": "a test of the pages", "account": "other", **_PROOF}),
}


def routes_with_pages() -> Iterator[APIRoute]:
    """Those whose answer to a form may be a page: mypy holds the others to what they say."""
    for route in ROUTES:
        answer: Any = route.endpoint.__annotations__["return"]
        if "POST" in route.methods and answer not in (RedirectResponse, Download):
            yield route


def send(page: Page, path: str, fields: dict[str, str]) -> Response:
    """Sends a form from the page that is shown, with its token. Returns the page that answers."""
    token = page.locator("input[name=form_token]").first.get_attribute("value") or ""
    with page.expect_navigation(timeout=180_000) as navigation:
        page.evaluate(_SEND, [path, {"form_token": token, **fields}])
    answer = navigation.value
    assert answer
    return answer
