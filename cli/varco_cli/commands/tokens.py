"""`varco tokens`: bearer tokens of the HTTP APIs."""

from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import Reason, group
from varco_cli.output import Json

app = group("tokens", "Tokens of the HTTP APIs: list, issue, revoke.")


OfAccount = Annotated[
    str, typer.Option("--account", help="Tokens that cover only this account. Default: admin tokens.")
]


@app.command("list")
def list_tokens(account: OfAccount = "", as_json: Json = False) -> None:
    """Lists the tokens that were issued and not revoked.

    Example: `varco tokens list --account acme`
    """
    answer = api_client.call("policy", "GET", _path(account))
    columns = ("id", "name", "issued_at")
    output.show(answer, as_json, lambda: output.rows(columns, answer))


@app.command("issue")
def issue(
    name: Annotated[str, typer.Argument(help="The owner or the purpose of the token.")],
    account: OfAccount = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Issues a token and prints it. It can't be shown again.

    Example: `varco tokens issue "the partner's script" --account acme`
    """
    answer = api_client.call("policy", "POST", _path(account), params={"reason": reason}, json={"name": name})
    output.show(answer, as_json, lambda: output.line(answer["token"]))


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="The token's id.")],
    account: OfAccount = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Revokes a token.

    Example: `varco tokens revoke 06d2k3... --account acme --reason "found in a log"`
    """
    api_client.call("policy", "DELETE", f"{_path(account)}/{token}", params={"reason": reason})
    output.show({"revoked": token}, as_json, lambda: output.line(f"{token} is revoked"))


def _path(account: str) -> str:
    return f"/accounts/{account}/tokens" if account else "/tokens"
