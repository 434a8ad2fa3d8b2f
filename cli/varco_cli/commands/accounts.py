"""`varco accounts`: who the gate serves."""

import typer

from varco_cli import api_client, output
from varco_cli.commands.shared import Account, NeededReason, Reason, changed, noun
from varco_cli.output import Json


def add(app: typer.Typer) -> None:
    group = noun(app, "accounts", "Accounts: list, open, close. `varco apply` sets one up from a file.")
    group.command("list")(list_accounts)
    group.command("open")(open_account)
    group.command("close")(close_account)


def list_accounts(as_json: Json = False) -> None:
    """All accounts that the token covers.

    Example: `varco accounts list`
    """
    found = api_client.call("policy", "GET", "/accounts")
    columns = ("account", "language", "users", "senders", "networks", "hosts", "opened_at")
    output.show(found, as_json, lambda: output.table(columns, [[one[name] for name in columns] for one in found]))


def open_account(account: Account, language: str = "en", reason: Reason = "", as_json: Json = False) -> None:
    """Opens an account, with nothing in it yet.

    Example: `varco accounts open acme --language it`
    """
    changed(
        api_client.call(
            "policy", "PUT", f"/accounts/{account}", params={"reason": reason}, json={"language": language}
        ),
        as_json,
    )


def close_account(account: Account, reason: NeededReason, as_json: Json = False) -> None:
    """Closes an account, with its logins, senders, networks and tokens.

    Example: `varco accounts close acme --reason "contract ended"`
    """
    changed(api_client.call("policy", "DELETE", f"/accounts/{account}", params={"reason": reason}), as_json)
