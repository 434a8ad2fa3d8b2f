"""The account that the first start opens, so that a newcomer can send a mail at once."""

import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from varco_cli.stack import local_http
from varco_cli.stack.local_http import LocalAnswer
from varco_cli.stack.stack import Stack

ACCOUNT, LOGIN, DOMAIN = "demo", "demo@demo.example", "@demo.example"


class TrialAccount(NamedTuple):
    """What `varco up` prints for the newcomer: commands that work as they are."""

    account: str
    route: str
    swaks: str
    curl: str
    trace: str


async def open_trial(stack: Stack) -> TrialAccount | None:
    """Opens the account where this home never had one.

    Returns None where the services that it needs aren't installed, and where the account or its
    login was removed since.
    """
    if not {"policy", "relay", "ingress-smtp"} <= stack.apis.keys():
        return None
    if not stack.home.trial_made.exists():
        await _open(stack)
        stack.home.trial_made.touch(0o600)
    elif not await _is_open(stack):
        return None
    return _lines(stack)


async def _is_open(stack: Stack) -> bool:
    answer = await _request(stack, "policy", "GET", f"/accounts/{ACCOUNT}")
    return answer.ok and LOGIN in [user["login"] for user in msgspec.json.decode(answer.body)["users"]]


async def _open(stack: Stack) -> None:
    password = stack.home.secret("demo.password", 12).read_text().strip()
    account: dict[str, Any] = {
        "language": "en",
        "users": [{"login": LOGIN, "password": password}],
        "senders": [DOMAIN],
    }
    changes = {"policy": (f"/accounts/{ACCOUNT}", account), "relay": (f"/accounts/{ACCOUNT}/route", "blackhole")}
    for service, (path, setting) in changes.items():
        answer = await _request(stack, service, "PUT", path, setting)
        if not answer.ok:
            raise RuntimeError(f"{service} {path}: {answer.status} {answer.body.decode()}")


async def _request(stack: Stack, service: str, method: str, path: str, json: object = None) -> LocalAnswer:
    return await local_http.request(method, f"{stack.apis[service]}{path}", token=stack.token, json=json)


def _lines(stack: Stack) -> TrialAccount:
    secret, certificate, home, varco = (
        shlex.quote(str(path))
        for path in (
            stack.home.secret("demo.password"),
            stack.home.certificate,
            stack.home.path,
            Path(sys.executable).with_name("varco"),
        )
    )
    password = f'"$(cat {secret})"'
    host = stack.apis["policy"].split("://")[1].rpartition(":")[0]
    mail = "--from demo@demo.example --to someone@elsewhere.example"
    return TrialAccount(
        account=ACCOUNT,
        route="its route is a black hole: mail is accepted and counted, but not delivered",
        swaks=f"swaks --server {host}:{stack.ports.submission} --tls --auth-user {LOGIN} --auth-password {password} {mail}",
        curl=f"printf 'From: demo@demo.example\\r\\nSubject: hello\\r\\n\\r\\nHello.\\r\\n' | curl --ssl-reqd"
        f" --cacert {certificate} --url smtp://{host}:{stack.ports.submission} --user {LOGIN}:{password}"
        " --mail-from demo@demo.example --mail-rcpt someone@elsewhere.example --upload-file -",
        trace=f"VARCO_HOME={home} {varco} trace {LOGIN}",
    )
