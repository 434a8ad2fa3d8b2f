"""`varco rules`: the limits of an account's mails."""

from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, Reason, change
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("rules")


@app.command("show")
def show_rules(account: Account, as_json: Json = False) -> None:
    """Shows the rules of an account.

    Example: `varco rules show acme`
    """
    rules = api_client.call("policy", "GET", f"/accounts/{account}/rules")
    output.show(rules, as_json, lambda: output.record(rules))


@app.command("set")
def set_rules(
    account: Account,
    max_size: Annotated[str, typer.Option(help="Largest size of a mail, such as 20MB.")] = "",
    max_recipients: Annotated[int, typer.Option(help="Largest number of recipients of a mail.")] = 0,
    attachments: Annotated[str, typer.Option(help="Allowed extensions, separated by commas, or `any`.")] = "",
    display_addresses: Annotated[
        str, typer.Option(help="`accept` or `refuse` sender names that hold an address of somebody else.")
    ] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Changes rules. Rules that are not named stay.

    Examples: `varco rules set acme --max-size 20MB --max-recipients 100` ·
    `varco rules set acme --attachments pdf,txt,gif,jpg,jpeg,png`
    """
    form: dict[str, Any] = {
        "max_size": max_size or None,
        "max_recipients": max_recipients or None,
        "display_addresses": display_addresses or None,
    }
    if attachments:
        form["attachments"] = "any" if attachments == "any" else {"allow": attachments.split(",")}
    form = {name: value for name, value in form.items() if value is not None}
    if not form:
        raise Misused("no rule is named: see `varco rules set --help`")
    change("policy", "PUT", f"/accounts/{account}/rules", reason, as_json, json=form)
