"""The first person of a new gate's console, so that a newcomer can sign in at once."""

import os

import msgspec

from varco_cli.stack import local_http
from varco_cli.stack.stack import Stack

NAME = "operator"


async def first_operator_link(stack: Stack) -> str:
    """A link with which the first operator sets a password.

    Empty where the console isn't installed, and once somebody has a password.
    """
    if "console" not in stack.apis:
        return ""
    people = msgspec.json.decode((await _request(stack, "GET", "/people")) or b"[]")
    if any(person["has_password"] for person in people):
        return ""
    if any(person["name"] == NAME for person in people):
        answer = await _request(stack, "POST", f"/people/{NAME}/link")
    else:
        answer = await _request(stack, "POST", "/people", {"name": NAME, "role": "operator"})
    return str(msgspec.json.decode(answer)["url"]) if answer else ""


def console_url(stack: Stack) -> str:
    """Where browsers find the console."""
    host = stack.apis["console"].rpartition(":")[0]
    return os.environ.get("VARCO_CONSOLE_URL") or f"{host}:{stack.ports.console}"


async def _request(stack: Stack, method: str, path: str, json: object = None) -> bytes:
    """The body of a response that says yes, else nothing: the gate runs without this."""
    answer = await local_http.request(method, f"{stack.apis['console']}{path}", token=stack.token, json=json)
    return answer.body if answer.ok else b""
