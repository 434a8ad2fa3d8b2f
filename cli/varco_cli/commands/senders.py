"""`varco senders`: the addresses that an account may send as."""

from typing import Annotated
from urllib.parse import quote

import typer

from varco_cli import api_client, failures, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, change
from varco_cli.output import Json

app = group("senders")


Pattern = Annotated[
    str, typer.Argument(help="An address, `@domain`, or `@.domain` for its subdomains.", metavar="SENDER")
]


@app.command("list")
def list_senders(account: Account, as_json: Json = False) -> None:
    """Lists the authorised senders of an account.

    Example: `varco senders list acme`
    """
    senders = api_client.call("policy", "GET", f"/accounts/{account}/senders")
    output.show(
        senders,
        as_json,
        lambda: output.table(["sender", "since"], [(sender["pattern"], sender["since"]) for sender in senders]),
    )


@app.command("add")
def add_sender(account: Account, sender: Pattern, reason: Reason = "", as_json: Json = False) -> None:
    """Authorises a sender.

    Examples: `varco senders add acme @acme.example` ·
    `varco senders add acme sales@partner.example`
    """
    change("policy", "PUT", _path(account, sender), reason, as_json)


@app.command("remove")
def remove_sender(account: Account, sender: Pattern, reason: Reason = "", as_json: Json = False) -> None:
    """Removes a sender: the account may no longer send as this address.

    Example: `varco senders remove acme sales@partner.example --reason "contract ended"`
    """
    change("policy", "DELETE", _path(account, sender), reason, as_json)


@app.command("test")
def explain(
    address: Annotated[str, typer.Argument(help="The address to send as.", metavar="ADDRESS")],
    login: Annotated[str, typer.Option("--as", help="Test for this login.", metavar="LOGIN")] = "",
    account: Annotated[str, typer.Option("--account", help="Test for the trusted networks of this account.")] = "",
    as_json: Json = False,
) -> None:
    """Explains whether a login may send as an address, and why. Exit code 1 where it may not.

    Example: `varco senders test sales@partner.example --as alice@acme.example`
    """
    if bool(login) == bool(account):
        raise failures.Misused("give a login with --as, or an account with --account")
    question = {"address": address} | ({"login": login} if login else {"account": account})
    answer = api_client.call("policy", "POST", "/senders/test", json=question)
    output.show(answer, as_json, lambda: output.line(f"{'yes' if answer['allowed'] else 'no'}: {answer['why']}"))
    if not answer["allowed"]:
        raise typer.Exit(failures.Refused.exit_code)


def _path(account: str, sender: str) -> str:
    return f"/accounts/{account}/senders/{quote(sender, safe='@')}"
