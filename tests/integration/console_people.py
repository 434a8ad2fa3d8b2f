"""People of each role in the console of a gate, and an account whose data they must not see."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import httpx
from fastapi.routing import APIRoute

from tests.integration.gate import Gate, mail, transact, wait_for
from varco_console.html_pages.catalogue import PAGES

PASSWORD = "correct horse battery"
ROLES = {"operator": "", "auditor": "", "owner": "acme", "reader": "acme"}
FOREIGN = "altrui"  # in every address and subject of the other account, and nowhere else
OTHER = f"""\
account: other
users: [{{login: user@{FOREIGN}.test, password: correct-horse}}]
senders: ["@{FOREIGN}.test"]
networks: ["127.0.0.109/32"]
route: blackhole
archive: {{pop3: {{login: copies@{FOREIGN}.test, password: another-secret}}, senders_told: "{FOREIGN}"}}
"""
ROUTES = [route for pages in PAGES for route in pages.routes if isinstance(route, APIRoute)]


class People:
    """Adds one person for each role, and one mail to each account."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.url = f"http://127.0.0.1:{gate.ports.console}"
        gate.apply(OTHER)
        self.own = _send(gate, "127.0.0.1", "alice@acme.test")
        self.foreign = _send(gate, "127.0.0.109", f"user@{FOREIGN}.test")
        for role, account in ROLES.items():
            self.add(role, role, account)
        for found in (self.own, self.foreign):
            wait_for(lambda found=found: gate.varco("trace", found).returncode == 0)

    def add(self, name: str, role: str, account: str) -> None:
        options = ["--account", account] if account else []
        done = self.gate.varco("people", "add", name, "--role", role, *options)
        if done.returncode:  # an earlier test of the session has added them
            done = self.gate.varco("people", "link", name)
        link = done.stdout.strip()
        with httpx.Client(base_url=self.url) as browser:
            answer = send_form(browser, link, password=PASSWORD, again=PASSWORD)
            assert answer.status_code == 303, answer.text

    def link(self, name: str) -> str:
        """The text of a link with which a new person sets a password."""
        done = self.gate.varco("people", "add", name, "--role", "reader", "--account", "acme")
        if done.returncode:
            done = self.gate.varco("people", "link", name)
        return done.stdout.strip().rpartition("/")[2]

    @contextmanager
    def signed_in(self, name: str) -> Iterator[httpx.Client]:
        """The people of ROLES are named after their role."""
        with httpx.Client(base_url=self.url, timeout=180) as browser:
            assert send_form(browser, "/login", name=name, password=PASSWORD).headers["location"] == "/"
            yield browser

    @cached_property
    def ids(self) -> dict[str, dict[str, str]]:
        """What stands for each parameter of a path: of the own account, and of the other one."""
        return {
            "own": {"account": "acme", "mail": self.own},
            "foreign": {"account": "other", "mail": self.foreign, "pattern": f"@{FOREIGN}.test", "verb": "hold"},
        }

    def path(self, route: APIRoute, whose: str) -> str:
        """A route's path with ids of one of the accounts; a parameter that is new is `none`."""
        return re.sub(r"\{([^}:]*)[^}]*\}", lambda found: self.ids[whose].get(found[1], "none"), route.path)


def send_form(browser: httpx.Client, page: str, action: str = "", **fields: str) -> httpx.Response:
    return browser.post(action or page, data={"form_token": form_token(browser.get(page).text), **fields})


def form_token(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', html)
    assert found, html
    return found[1]


def _send(gate: Gate, source: str, sender: str) -> str:
    with gate.smtp(source) as client:
        subject = f"saluti da {sender.partition('@')[2].partition('.')[0]}"
        code, text = transact(client, sender, ["someone@dest.test"], mail(sender, Subject=subject))
    assert code == 250, text
    return text.split()[-1]
