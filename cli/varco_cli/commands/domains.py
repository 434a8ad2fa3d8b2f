"""`varco domains`: the domains of an account, and the records that prove them."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import Account, NeededReason, Reason, accounts_like, change, check_account, differences
from varco_cli.failures import Refused
from varco_cli.output import Json, Styled

app = group("domains")
_SERVICE = "domains"
_COLOURS = {"green": "green", "amber": "yellow", "red": "red", "unknown": "dim"}

Domain = Annotated[str, typer.Argument(help="The domain, such as acme.example.", metavar="DOMAIN")]
OneAccount = Annotated[
    str, typer.Argument(help="Only of this account.", metavar="[ACCOUNT]", autocompletion=accounts_like)
]


@app.command("list")
def list_domains(account: OneAccount = "", as_json: Json = False) -> None:
    """Lists domains and how they are owned: proven, vouched for by an operator, or pending.

    Examples: `varco domains list` · `varco domains list acme --json`
    """
    params = {"account": account} if account else {}
    domains = api_client.call(_SERVICE, "GET", "/domains", params=params)
    rows = [(entry["account"], entry["domain"], entry["status"], entry["since"], entry["why"]) for entry in domains]
    output.show(domains, as_json, lambda: output.table(["account", "domain", "status", "since", "why"], rows))


@app.command("show")
def show_domain(account: Account, domain: Domain, as_json: Json = False) -> None:
    """Prints a domain: how it is owned, the record to publish, and what the last look saw.

    Example: `varco domains show acme acme.example`
    """
    answer = api_client.call(_SERVICE, "GET", _path(account, domain))
    output.show(answer, as_json, lambda: _print(answer))


@app.command("add")
def add_domain(
    account: Account,
    domain: Domain,
    ed25519: Annotated[bool, typer.Option("--ed25519", help="Sign with an Ed25519 key, too.")] = False,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Adds a domain and prints its records, to be published in the DNS.

    One proves the domain, the other has the key that verifies the signatures of its mail (DKIM).

    Example: `varco domains add acme acme.example`
    """
    check_account(account)
    answer = api_client.call(_SERVICE, "PUT", _path(account, domain), params={"reason": reason, "ed25519": ed25519})
    shown = api_client.call(_SERVICE, "GET", _path(account, domain))

    def text() -> None:
        differences(answer["changes"])
        _print(shown)

    output.show(answer | shown, as_json, text)


@app.command("check")
def check_domain(account: Account, domain: Domain, as_json: Json = False) -> None:
    """Looks for the records now. Exit code 1 where the domain is not proven.

    Example: `varco domains check acme acme.example`
    """
    answer = api_client.call(_SERVICE, "POST", f"{_path(account, domain)}/check")
    output.show(answer, as_json, lambda: _print(answer))
    if answer["status"] != "proven":
        raise typer.Exit(Refused.exit_code)


@app.command("addresses")
def show_addresses(as_json: Json = False) -> None:
    """Prints the addresses that our mail leaves from, and what the world sees of them.

    Example: `varco domains addresses`
    """
    addresses = api_client.call(_SERVICE, "GET", "/addresses")

    def text() -> None:
        for entry in addresses:
            output.line(entry["address"])
            _print_reputation(entry["reputation"])
        if not addresses:
            output.line("no public address is known: behind NAT the gate does not see those that mail leaves from.")
            output.line(
                "Write them as VARCO_DOMAINS_ADDRESSES=192.0.2.7 into the gate's environment (several parted by"
            )
            output.line("commas), and start it again.")

    output.show(addresses, as_json, text)


@app.command("rotate")
def rotate_key(
    account: Account,
    domain: Domain,
    ed25519: Annotated[
        bool | None, typer.Option("--ed25519/--no-ed25519", help="Whether an Ed25519 key signs, too. Left out: as now.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Makes the next DKIM key and prints its record. It signs once the record was seen.

    The key before it is retired seven days later.

    Example: `varco domains rotate acme acme.example`
    """
    params: dict[str, Any] = {"reason": reason} | ({} if ed25519 is None else {"ed25519": ed25519})
    answer = api_client.call(_SERVICE, "POST", f"{_path(account, domain)}/rotate", params=params)
    shown = api_client.call(_SERVICE, "GET", _path(account, domain))

    def text() -> None:
        differences(answer["changes"])
        _print(shown)

    output.show(answer | shown, as_json, text)


@app.command("vouch")
def vouch_for_domain(account: Account, domain: Domain, reason: NeededReason = "", as_json: Json = False) -> None:
    """Vouches for a domain, as an operator, instead of a proof. Adds it if need be.

    Example: `varco domains vouch acme acme.example --reason "contract of 3 March"`
    """
    check_account(account)
    change(_SERVICE, "POST", f"{_path(account, domain)}/vouch", reason, as_json)


@app.command("remove")
def remove_domain(account: Account, domain: Domain, reason: Reason = "", as_json: Json = False) -> None:
    """Removes a domain. The senders under it must be withdrawn first.

    Example: `varco domains remove acme acme.example --reason "sold"`
    """
    change(_SERVICE, "DELETE", _path(account, domain), reason, as_json)


def _print(domain: dict[str, Any]) -> None:
    output.line(f"{domain['domain']} of account {domain['account']}: {domain['status']} since {domain['since']}")
    output.line(f"  {domain['why']}")
    if domain["finding"]:
        following = f"; the next look is at {domain['next_check_at']}" if domain["next_check_at"] else ""
        output.line(f"  looked at {domain['checked_at']}: {domain['finding']}{following}")
    if domain["record"] and domain["status"] != "proven":
        output.line("  publish this record, then run `varco domains check`:")
        output.line(f'    {domain["record"]["name"]}. TXT "{domain["record"]["value"]}"')
    for key in domain["keys"]:
        _print_key(key)
    if domain["reputation"]:
        output.line()
        _print_reputation(domain["reputation"])


def _print_reputation(reputation: dict[str, Any] | None) -> None:
    """Prints the colour of each check, and the records to publish."""
    if not reputation:
        output.line("  nobody has looked yet at what the world sees of it")
        return
    for finding in reputation["findings"]:
        colour = Styled(f"  {finding['colour']:<7}", _COLOURS[finding["colour"]])
        output.line(colour, f" {finding['check']}: {finding['text']} (since {times.local(finding['since'])})")
        if finding["record"]:
            output.line(f"            publish: {finding['record']}")
    if reputation["looked_at"]:
        output.line(f"  looked at {times.local(reputation['looked_at'])}")


def _print_key(key: dict[str, Any]) -> None:
    output.line(f"  DKIM key {key['selector']} ({key['algorithm']}): {key['status']} since {key['since']}")
    if key["finding"]:
        output.line(f"    {key['finding']}")
    if key["status"] == "waits for its record":
        output.line("    publish this record:")
        output.line(f'    {key["record"]["name"]}. TXT "{key["record"]["value"]}"')
    if key["retires_at"]:
        output.line(f"    its record must stay until {key['retires_at']}")


def _path(account: str, domain: str) -> str:
    return f"/accounts/{quote(account, safe='')}/domains/{quote(domain, safe='')}"
