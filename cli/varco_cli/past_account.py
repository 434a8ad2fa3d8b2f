"""An account as it was at a time in the past."""

from typing import Any
from urllib.parse import quote

from varco_cli import api_client
from varco_cli.failures import Refused, Unreachable
from varco_cli.times import moment


def past_document(account: str, at: str) -> dict[str, Any]:
    """Returns the account file as of a time. Raises a CommandFailure."""
    when = {"sequence": at} if at.isdecimal() else {"at": moment(at, "--at").isoformat()}
    answer = api_client.call("audit", "GET", f"/accounts/{quote(account, safe='')}/state", params=when)
    if answer["missing"]:
        service, why = next(iter(answer["missing"].items()))
        raise Unreachable(f"{service} gave no answer: {why}")
    if answer["document"] is None:
        raise Refused(f"account {account} was not open at {answer['at']}")
    return {"account": account, **answer["document"]}
