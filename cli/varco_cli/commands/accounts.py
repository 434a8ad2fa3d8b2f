"""`varco accounts`: the accounts that the gate serves."""

from varco_cli import api_client, output
from varco_cli.account_remains import remains
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, Yes, change, confirm
from varco_cli.output import Json

app = group("accounts")


@app.command("list")
def list_accounts(as_json: Json = False) -> None:
    """Lists the accounts that the token covers.

    Example: `varco accounts list`
    """
    accounts = api_client.call("policy", "GET", "/accounts")
    columns = ("account", "language", "users", "senders", "networks", "hosts", "opened_at")
    output.show(accounts, as_json, lambda: output.rows(columns, accounts))


@app.command("open")
def open_account(account: Account, language: str = "en", reason: Reason = "", as_json: Json = False) -> None:
    """Opens an empty account.

    Example: `varco accounts open acme --language it`
    """
    change("policy", "PUT", f"/accounts/{account}", reason, as_json, json={"language": language})


@app.command("close")
def close_account(account: Account, reason: NeededReason, yes: Yes = False, as_json: Json = False) -> None:
    """Closes an account and removes its logins, senders, networks and tokens. Asks first.

    It says which links, waiting mails and copies there are, and what becomes of them.

    Example: `varco accounts close acme --reason "contract ended"`
    """
    if not as_json:
        output.lines(remains(account))
    confirm(f"Close account {account} and remove its logins, senders, networks and tokens?", yes)
    change("policy", "DELETE", f"/accounts/{account}", reason, as_json)
