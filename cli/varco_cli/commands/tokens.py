"""`varco tokens`: bearer tokens of the HTTP APIs."""

import os
import sys
from typing import Annotated
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import Reason
from varco_cli.failures import Misused, Unauthorised
from varco_cli.output import Json
from varco_common.base.durable_file import write_durable
from varco_common.runtime.tokens import ApiToken, InvalidToken, token_parts

app = group("tokens")


OfAccount = Annotated[
    str, typer.Option("--account", help="Tokens that cover only this account. Default: admin tokens.")
]


@app.command("list")
def list_tokens(account: OfAccount = "", as_json: Json = False) -> None:
    """Lists the tokens that were issued and not revoked, with their ends and last uses.

    A last use is known to the hour.

    Example: `varco tokens list --account acme`
    """
    answer = api_client.call("policy", "GET", _path(account))
    columns = ("id", "name", "issued_at", "until", "used_at")
    output.listing(columns, answer, as_json)


@app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="The owner or the purpose of the token.")],
    account: OfAccount = "",
    until: Annotated[
        str, typer.Option("--until", help="End of the token: `90d`, 2026-12-24, or 2026-12-24T18:00. Default: none.")
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Issues a token and prints it. It can't be shown again.

    Example: `varco tokens issue "the partner's script" --account acme --until 90d`
    """
    form = {"name": name} | ({"until": times.later(until, "--until").isoformat()} if until else {})
    answer = api_client.call("policy", "POST", _path(account), params={"reason": reason}, json=form)
    output.show(answer, as_json, lambda: output.line(answer["token"]))


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id.")],
    account: Annotated[str, typer.Option("--account", help="Only a token of this account. Default: any token.")] = "",
    unlisted: Annotated[
        bool,
        typer.Option("--unlisted", help="Revoke a token that no list has: the first one, or that of a lost file."),
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Revokes a token, of an admin or of an account.

    Events name the token that changed something by its id, also one that no list has.

    Example: `varco tokens revoke 06d2k3m8s1x7v0c2b9qa --reason "found in a log"`
    """
    if account and unlisted:
        raise Misused("--unlisted is for admin tokens: every token of an account is listed")
    params = {"reason": reason} | ({"unlisted": True} if unlisted else {})
    api_client.call("policy", "DELETE", f"{_path(account)}/{quote(token, safe='')}", params=params)
    output.show({"revoked": token}, as_json, lambda: output.line(f"{token} is revoked"))


@app.command("rotate")
def rotate(
    to_output: Annotated[
        bool, typer.Option("--print", help="Print the new token, and leave the file alone: for containers.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Replaces the admin token: issues another one, writes it to admin.token, revokes the old one.

    Nothing is restarted. With docker compose, `make rotate-token` does this.

    Example: `varco tokens rotate --reason "a laptop was stolen"`
    """
    old = _current()
    if not old.is_admin:
        raise Misused("the token in use is no admin token: an account's token is replaced by issue and revoke")
    if os.environ.get("VARCO_TOKEN") and not to_output:
        raise Misused("VARCO_TOKEN is set, and no file: add --print, and store what is printed")
    new = api_client.call("policy", "POST", _path(""), params={"reason": reason}, json={"name": "admin.token"})["token"]
    if to_output:
        output.show({"token": new, "revoked": old.id}, as_json, lambda: output.line(new))
        sys.stdout.flush()
    else:
        write_durable(api_client.state_directory().admin_token, f"{new}\n")
    api_client.call("policy", "DELETE", f"{_path('')}/{old.id}", params={"reason": reason, "unlisted": True})
    if not to_output:
        file = str(api_client.state_directory().admin_token)
        output.show(
            {"file": file, "revoked": old.id}, as_json, lambda: output.line(f"{file} is new, {old.id} is revoked")
        )


def _current() -> ApiToken:
    try:
        return token_parts(api_client.token()).token
    except InvalidToken:
        raise Unauthorised("the token in use is none of Varco's") from None


def _path(account: str) -> str:
    return f"/accounts/{account}/tokens" if account else "/tokens"
