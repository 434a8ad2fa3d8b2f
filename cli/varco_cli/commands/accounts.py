"""`varco accounts`: the accounts that the gate serves."""

import sys
from typing import Annotated, Any

import typer

from varco_cli import account_remains, api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, Yes, change, confirm, differences
from varco_cli.output import Json

app = group("accounts")


@app.command("list")
def list_accounts(as_json: Json = False) -> None:
    """Lists the accounts that the token covers.

    Example: `varco accounts list`
    """
    accounts = api_client.call("policy", "GET", "/accounts")
    columns = ("account", "language", "users", "senders", "networks", "hosts", "opened_at")
    output.listing(columns, accounts, as_json)


@app.command("open")
def open_account(account: Account, language: str = "en", reason: Reason = "", as_json: Json = False) -> None:
    """Opens an empty account.

    Example: `varco accounts open acme --language it`
    """
    change("policy", "PUT", f"/accounts/{account}", reason, as_json, json={"language": language})


@app.command("close")
def close_account(
    account: Account,
    reason: NeededReason,
    revoke_links: Annotated[
        bool, typer.Option("--revoke-links", help="End its links now and delete their files.")
    ] = False,
    drop_queue: Annotated[bool, typer.Option("--drop-queue", help="Drop its mail that waits for an attempt.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Closes an account and removes its logins, senders, networks and tokens. Asks first.

    It says which links, waiting mails and copies there are, and asks of each whether it ends now.
    With --yes, only what the options name ends; the rest lives to its own end. Copies are deleted
    in any case.

    Examples: `varco accounts close acme --reason "contract ended"` ·
    `varco accounts close acme --reason "contract ended" --revoke-links --drop-queue --yes`
    """
    left = account_remains.remains(account)
    asks = not yes and sys.stdin.isatty()
    if left.links and asks and not revoke_links:
        revoke_links = typer.confirm(f"Revoke its {left.links} links now, and delete their files?", err=True)
    if left.waits and asks and not drop_queue:
        drop_queue = typer.confirm(f"Drop its {left.waits} mails that wait for an attempt?", err=True)
    if not as_json:
        output.lines(left.sentences(revoke_links=revoke_links, drop_queue=drop_queue))
    confirm(f"Close account {account} and remove its logins, senders, networks and tokens?", yes)
    answer = api_client.call("policy", "DELETE", f"/accounts/{account}", params={"reason": reason})
    ended = {
        "links_revoked": account_remains.revoke_links(account, reason) if revoke_links else 0,
        "mails_dropped": account_remains.drop_queue(account, reason) if drop_queue else 0,
    }
    output.show(answer | ended, as_json, lambda: _print_closed(answer, ended))


def _print_closed(answer: dict[str, Any], ended: dict[str, int]) -> None:
    differences(answer["changes"])
    output.lines(f"{count} {what.replace('_', ' ')}" for what, count in ended.items() if count)
