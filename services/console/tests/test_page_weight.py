"""The longest pages stay below 100 KB, however long their rows are."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Request

from varco_common.events import PersonRole
from varco_console.html_pages.bans import routes as bans
from varco_console.html_pages.bans.view import BansAnswers, BansQuestion, bans_page
from varco_console.html_pages.catalogue import NAVIGATION
from varco_console.html_pages.links import routes as links
from varco_console.html_pages.links.view import LinksQuestion, links_page
from varco_console.html_pages.queue import routes as queue
from varco_console.html_pages.queue.view import QueueQuestion, queue_page
from varco_console.model import Person
from varco_console.secret_values import new_secret
from varco_console.web.rendering import Renderer

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
AT, MAIL, LONG = NOW.isoformat(), "06eqkv3g8w3x5m7n2p4q", "a-long-name.of-somebody@a-department.acme.example"
OPERATOR = Person(name="anna", role=PersonRole.OPERATOR, account="", added_at=NOW)
ACCOUNTS = [f"account-{number}" for number in range(100)]


def weight(template: str, view: object) -> int:
    """The bytes of the page as an operator gets it."""
    state = SimpleNamespace(console=SimpleNamespace(provider=None, has_tls=True, url="https://console.acme.example"))
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    request = Request({**scope, "app": SimpleNamespace(state=state), "scheme": "https", "server": ("x", 443)})
    request.state.session = SimpleNamespace(person=OPERATOR, secret=new_secret())
    return len(Renderer(NAVIGATION).page(request, template, view).body)


def a_queue() -> object:
    failures = [{"recipient": LONG, "status": "4.7.1", "answer": f"451 4.7.1 {'greylisted ' * 20}"}]
    own = {"mail": MAIL, "account": ACCOUNTS[0], "sender": LONG, "accepted_at": AT, "next_hop": LONG}
    tried = {**own, "attempts": 3, "next_at": AT, "held": False, "failures": failures}
    untried = {**own, "recipients": [LONG] * 9, "waits_for": f"can't connect: {'refused ' * 20}"}
    route = {"account": ACCOUNTS[0], "goes_to": LONG, "state": "down", "words": "refused " * 20, "since": AT}
    routes = {"routes": [{**route, "untried": 9, "queued": 9, "hops": []}] * queue.ROUTES, "next": "", "total": 9}
    answer: Mapping[str, Any] = {"mails": [tried] * queue.PAGE, "untried_mails": [untried] * queue.PAGE}
    return queue_page(QueueQuestion(), {**answer, "total": 9, "untried": 9, "next": ""}, routes, ACCOUNTS)


def many_bans() -> object:
    strike = {"at": AT, "cause": "sender-not-authorised", "host": "192.0.2.7", "login": LONG, "sender": LONG}
    evidence = [{**strike, "mail": MAIL}] * 3
    ban = {"network": "2001:db8:1234:5678::/64", "since": AT, "until": AT, "count": 3, "by": "banguard", "reason": ""}
    stop = {"account": "acme", "login": LONG, "because": "several-logins", "network": "192.0.2.7"}
    stops = [{**stop, "since": AT, "until": AT, "count": 1, "evidence": evidence}] * 5
    log = "2026-11-29 12:00:00,000 fail2ban.actions        [1]: NOTICE  [smtp] Ban 192.0.2.7\n" * 50
    answers = BansAnswers([{**ban, "evidence": evidence}] * 100, stops, [], log, None)
    return bans_page(BansQuestion(), answers, {}, OPERATOR, page=bans.PAGE)


def many_links() -> object:
    downloads = [{"at": AT, "host": "2001:db8:1234:5678::1", "sent": 9, "complete": False}] * 20
    link = {"link": "e1" * 20, "account": ACCOUNTS[0], "mail": MAIL, "name": "x" * 100, "size": 9, "state": "live"}
    times = {"linked_at": AT, "expires_at": AT, "ended_at": None, "downloads": 20}
    entry = {**link, **times, "recent": downloads}
    return links_page(LinksQuestion(), {"links": [entry] * links.PAGE, "total": 9, "stored": 9, "next": ""}, ACCOUNTS)


@pytest.mark.parametrize(
    ("template", "view"),
    [("queue/page.html", a_queue()), ("bans/page.html", many_bans()), ("links/page.html", many_links())],
)
def test_the_longest_page_is_light(template: str, view: object):
    assert weight(template, view) < 100_000, weight(template, view)
