"""What an account still has when it closes: links, mail that waits, copies."""

from collections.abc import Iterator
from typing import Any

from varco_cli import api_client, times
from varco_cli.failures import Refused


def remains(account: str) -> Iterator[str]:
    """Yields a sentence for each kind: how many, and what becomes of them."""
    if live := _answer("filelink", "/links", account=account, state="live", limit="1").get("total"):
        yield (
            f"{live} links stay until their own end, the newest until {_newest_end(account)}: "
            "`varco links revoke` ends one"
        )
    queue = _answer("relay", "/queue", account=account)
    if waiting := len(queue.get("mails", ())) + queue.get("untried", 0):
        yield f"{waiting} mails wait and are still tried: `varco queue drop` ends one"
    status = _answer("archive", f"/accounts/{account}/archive/status")
    if copies := status.get("copies"):
        yield f"{copies} copies in mailbox {status['login']} are deleted at once: `varco archive export` keeps them"


def _newest_end(account: str) -> str:
    [link] = _answer("filelink", "/links", account=account, state="live", limit="1")["links"]
    return times.local(link["expires_at"])


def _answer(service: str, path: str, **params: str) -> dict[str, Any]:
    """Empty where the service is not installed or knows nothing of the account."""
    if not api_client.serving(service):
        return {}
    try:
        answer: dict[str, Any] = api_client.call(service, "GET", path, params=params)
    except Refused:
        return {}
    return answer
