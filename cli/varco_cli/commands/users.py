"""`varco users`: the logins of an account."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, Yes, change, confirm, read_password
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("users")


Login = Annotated[str, typer.Argument(help="The login, as clients send it.", metavar="LOGIN")]


@app.command("list")
def list_users(account: Account, as_json: Json = False) -> None:
    """Lists the logins of an account, with the last use of each.

    Example: `varco users list acme`
    """
    answer = api_client.call("policy", "GET", f"/accounts/{account}/users")
    columns = ("login", "name", "disabled", "hash", "changed_at", "used_at")
    output.listing(columns, answer, as_json)


@app.command("put")
def put_user(
    account: Account,
    login: Login,
    name: Annotated[str, typer.Option(help="The owner or the purpose of the login.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Adds a login, or changes its password.

    Asks for the password, or reads it from standard input.

    Examples: `varco users put acme alice@acme.example` ·
    `pass mail | varco users put acme printer --password-stdin`
    """
    password = read_password(password_stdin)
    form = {"password": password, "name": name or None}
    change("policy", "PUT", _path(account, login), reason, as_json, json=form)


@app.command("import")
def import_users(
    account: Account,
    file: Annotated[str, typer.Argument(help="A Dovecot passwd-file, or `-` for standard input.", metavar="FILE")],
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Imports logins with their hashes (argon2, bcrypt, crypt, SSHA, PBKDF2): all lines or none.

    Example: `varco users import acme /etc/dovecot/users`
    """
    try:
        lines = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"{file}: {error}") from None
    path = f"/accounts/{account}/users/import"
    change("policy", "POST", path, reason, as_json, json={"lines": lines})


@app.command("disable")
def disable_user(account: Account, login: Login, reason: Reason = "", as_json: Json = False) -> None:
    """Disables a login: it keeps its password, and sends nothing until it is enabled.

    Its open sessions end with their next mail. A right password is refused as a wrong one, but
    bans nobody.

    Example: `varco users disable acme bob@acme.example --reason "stolen laptop"`
    """
    change("policy", "PUT", _path(account, login), reason, as_json, json={"disabled": True})


@app.command("enable")
def enable_user(account: Account, login: Login, reason: Reason = "", as_json: Json = False) -> None:
    """Enables a login again.

    Example: `varco users enable acme bob@acme.example`
    """
    change("policy", "PUT", _path(account, login), reason, as_json, json={"disabled": False})


@app.command("remove")
def remove_user(account: Account, login: Login, yes: Yes = False, reason: Reason = "", as_json: Json = False) -> None:
    """Removes a login with its password. Asks first; `varco users disable` keeps it.

    Example: `varco users remove acme bob@acme.example --reason "left the company"`
    """
    confirm(f"Remove login {login} of account {account} with its password?", yes)
    change("policy", "DELETE", _path(account, login), reason, as_json)


def _path(account: str, login: str) -> str:
    return f"/accounts/{account}/users/{quote(login, safe='')}"
