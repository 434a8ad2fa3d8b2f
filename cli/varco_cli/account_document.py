"""An account as the text of its file, and as it was at a time in the past."""

from typing import Any
from urllib.parse import quote

import yaml

from varco_cli import api_client
from varco_cli.account_schema import HEAD
from varco_cli.failures import Refused, Unreachable
from varco_cli.times import moment


class _Dumper(yaml.SafeDumper):
    """Writes `off` as people do, without quotes."""


def _text_node(dumper: _Dumper, text: str) -> yaml.Node:
    tag = "tag:yaml.org,2002:bool" if text == "off" else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, text)


_Dumper.add_representer(str, _text_node)


def account_text(document: dict[str, Any]) -> str:
    """Returns the account file, with the name of its schema for editors."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120
    )
    return HEAD + text


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
