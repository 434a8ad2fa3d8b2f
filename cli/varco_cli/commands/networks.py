"""`varco networks`: the hosts that may send for an account without AUTH."""

from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, change
from varco_cli.output import Json

app = group("networks")


Network = Annotated[str, typer.Argument(help="An address or a network: 192.0.2.0/28.", metavar="NETWORK")]


@app.command("list")
def list_networks(account: Account, as_json: Json = False) -> None:
    """Lists the trusted networks of an account.

    Example: `varco networks list acme`
    """
    networks = api_client.call("policy", "GET", f"/accounts/{account}/networks")
    columns = ("network", "normalise", "domain", "since", "reason")
    output.listing(columns, networks, as_json)


@app.command("trust")
def trust(
    account: Account,
    network: Network,
    normalise: Annotated[bool, typer.Option("--normalise", help="Repair bare line ends of old devices.")] = False,
    domain: Annotated[
        str, typer.Option(help="Domain of addresses without one, such as `root`; with --normalise.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Trust even a network broader than /8. Needs a reason.")
    ] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Allows the hosts of a network to send without AUTH.

    Example: `varco networks trust acme 192.0.2.0/28 --reason "the office"`
    """
    form = {"normalise": normalise, "domain": domain, "force": force}
    path = f"/accounts/{account}/networks/{network}"
    change("policy", "PUT", path, reason, as_json, json=form)


@app.command("withdraw")
def withdraw(account: Account, network: Network, reason: Reason = "", as_json: Json = False) -> None:
    """Withdraws trust: hosts of the network must log in from now on.

    Example: `varco networks withdraw acme 192.0.2.0/28 --reason "moved"`
    """
    change("policy", "DELETE", f"/accounts/{account}/networks/{network}", reason, as_json)
