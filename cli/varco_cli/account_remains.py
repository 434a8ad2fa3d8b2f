"""What an account still has when it closes (links, mail that waits, copies), and how it ends."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from varco_cli import api_client, times
from varco_cli.failures import Refused

_ROUNDS = 100  # of a page each; mail that was on its way may still bring a link or come to wait


class Remains(NamedTuple):
    """How many of each; `untried` mails wait for their first attempt, as a route is down."""

    links: int = 0
    links_until: str = ""
    waiting: int = 0
    untried: int = 0
    copies: int = 0
    mailbox: str = ""

    @property
    def waits(self) -> int:
        """Mails that wait for an attempt."""
        return self.waiting + self.untried

    def sentences(self, *, revoke_links: bool, drop_queue: bool) -> Iterator[str]:
        """For each kind, what becomes of it."""
        if self.links:
            until = times.local(self.links_until)
            yield f"{self.links} links " + (
                "are revoked, and their files deleted"
                if revoke_links
                else f"stay until their own end, the newest until {until}: --revoke-links ends them"
            )
        if self.waiting:
            yield f"{self.waiting} mails wait for another attempt and " + (
                "are dropped; their senders hear nothing" if drop_queue else "are still tried: --drop-queue ends them"
            )
        if self.untried:
            yield f"{self.untried} mails wait for their first attempt and " + (
                "are dropped, unless they are tried just now"
                if drop_queue
                else "are still tried: --drop-queue ends them"
            )
        if self.copies:
            yield (
                f"{self.copies} copies in mailbox {self.mailbox} are deleted at once: `varco archive export` keeps them"
            )


def remains(account: str) -> Remains:
    """What the account has now."""
    links = _answer("filelink", "/links", account=account, state="live", limit="1")
    queue = _answer("relay", "/queue", account=account)
    status = _answer("archive", f"/accounts/{account}/archive/status")
    newest = links.get("links") or [{"expires_at": ""}]
    return Remains(
        links=links.get("total", 0),
        links_until=newest[0]["expires_at"],
        waiting=queue.get("total", 0),
        untried=queue.get("untried", 0),
        copies=status.get("copies", 0),
        mailbox=status.get("login", ""),
    )


def revoke_links(account: str, reason: str) -> int:
    """Ends every live link of the account, and deletes its file. Returns how many."""
    return _end_all("filelink", "links", "link", "revoke", {"account": account, "state": "live"}, reason)


def drop_queue(account: str, reason: str) -> int:
    """Drops every mail of the account that waits for an attempt. Returns how many."""
    return _end_all("relay", "queue", "mail", "drop", {"account": account}, reason)


def _end_all(service: str, path: str, key: str, verb: str, query: dict[str, str], reason: str) -> int:
    done = 0
    for _ in range(_ROUNDS if api_client.serving(service) else 0):
        pages = [*api_client.pages(service, f"/{path}", query)]
        kinds = ("mails", "untried_mails") if path == "queue" else (path,)
        found = [entry[key] for page in pages for kind in kinds for entry in page[kind]]
        ended = sum(_ended(service, f"/{path}/{one}/{verb}", reason) for one in found)
        done += ended
        if not ended:
            break
    return done


def _ended(service: str, path: str, reason: str) -> bool:
    try:
        api_client.call(service, "POST", path, json={"reason": reason})
    except Refused:  # it came to its own end meanwhile
        return False
    return True


def _answer(service: str, path: str, **params: str) -> dict[str, Any]:
    """Empty where the service is not installed or knows nothing of the account."""
    if not api_client.serving(service):
        return {}
    try:
        answer: dict[str, Any] = api_client.call(service, "GET", path, params=params)
    except Refused:
        return {}
    return answer
