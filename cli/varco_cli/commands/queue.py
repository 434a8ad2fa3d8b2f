"""`varco queue`: the mails that wait for a delivery attempt."""

import time
from typing import Annotated, Any

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import NeededReason, Reason, Yes, accounts_like, change, check_account, confirm
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("queue")

_ROUNDS = 100  # of 5,000 mails each; more may come meanwhile
_PAUSE_SECONDS = 1.0  # relay lets go of what it dropped before it takes more


Mail = Annotated[str, typer.Argument(help="Id of the mail, as in the 250 answer.", metavar="MAIL")]
MailOrNone = Annotated[str, typer.Argument(help="Id of the mail, as in the 250 answer.", metavar="[MAIL]")]
AllOf = Annotated[
    str, typer.Option("--account", help="All mail of this account instead.", autocompletion=accounts_like)
]


@app.command("list")
def list_queue(
    account: Annotated[
        str, typer.Option("--account", help="Only mails of this account.", autocompletion=accounts_like)
    ] = "",
    held: Annotated[
        bool | None, typer.Option("--held/--not-held", help="Only mails that are held, or only those that are not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lists the mails that wait, the oldest first: for another attempt, or for their first.

    A mail waits for its first attempt while the route of its account is down, or while all its mail
    is held. `why` is the last answer of the next hop, or what the route waits for.

    Example: `varco queue list --account acme`
    """
    first, *others = api_client.pages("relay", "/queue", {"account": account, "held": held})
    mails = [mail for page in (first, *others) for mail in page["mails"]]
    if not mails and not first["untried"]:
        check_account(account)
    answer = first | {"mails": mails, "next": ""}
    output.show(answer, as_json, lambda: _print(answer))


@app.command("show")
def show_mail(mail: Mail, as_json: Json = False) -> None:
    """Shows a waiting mail: its recipients and the answer of the next hop for each.

    Example: `varco queue show 06d2k3m8s1x7v0c2b9qa`
    """
    answer = api_client.call("relay", "GET", f"/queue/{mail}")
    output.show(answer, as_json, lambda: _print_mail(answer))


@app.command("retry")
def retry(mail: MailOrNone = "", account: AllOf = "", reason: Reason = "", as_json: Json = False) -> None:
    """Starts a delivery attempt now, of a mail or of all that wait for another one.

    With --account, mails that are held stay held.

    Examples: `varco queue retry 06d2k3m8s1x7v0c2b9qa` · `varco queue retry --account acme`
    """
    _check_one(mail, account)
    if mail:
        _do(mail, "retry", reason, as_json)
    else:
        _do_all(account, "retry", reason, "are tried now", as_json)


@app.command("hold")
def hold(mail: MailOrNone = "", account: AllOf = "", reason: Reason = "", as_json: Json = False) -> None:
    """Holds a mail, or all mail of an account: it is not tried until it is released.

    With --account, mail that comes meanwhile is accepted and waits, too. Its time runs on: what
    waits for longer than VARCO_RELAY_GIVE_UP is returned to its sender.

    Examples: `varco queue hold 06d2k3m8s1x7v0c2b9qa --reason "asked the sender"` ·
    `varco queue hold --account acme --reason "stolen password"`
    """
    _do_one_or_all(mail, account, "hold", reason, as_json)


@app.command("release")
def release(mail: MailOrNone = "", account: AllOf = "", reason: Reason = "", as_json: Json = False) -> None:
    """Releases a held mail, or all mail of an account that is held with --account.

    Mails that were held one by one stay held.

    Examples: `varco queue release 06d2k3m8s1x7v0c2b9qa` · `varco queue release --account acme`
    """
    _do_one_or_all(mail, account, "release", reason, as_json)


@app.command("drop")
def drop(
    reason: NeededReason, mail: MailOrNone = "", account: AllOf = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Drops a mail without a notification to its sender. The mail is lost. Asks first.

    With --account, all that wait for an attempt, also notifications to its senders. Mail that waits
    for its first one is dropped while its route is down or all mail is held, unless it is being
    tried just now: hold all mail first. Copies that archive forwards stay.

    Examples: `varco queue drop 06d2k3m8s1x7v0c2b9qa --reason "spam of a stolen account"` ·
    `varco queue drop --account acme --reason "stolen password"`
    """
    _check_one(mail, account)
    confirm(f"Drop {f'mail {mail}' if mail else f'the waiting mail of {account}'} for good?", yes)
    if account:
        check_account(account)
        answer = _drop_all(account, reason)
        output.show(answer, as_json, lambda: _print_dropped(answer, account))
        return
    api_client.call("relay", "POST", f"/queue/{mail}/drop", json={"reason": reason})
    output.show({"dropped": mail}, as_json, lambda: output.line(f"{mail} is dropped"))


def _check_one(mail: str, account: str) -> None:
    """Raises Misused."""
    if bool(mail) == bool(account):
        raise Misused("name either a mail, or an account with --account")


def _drop_all(account: str, reason: str) -> dict[str, int]:
    """Relay drops some thousands at a time of those that wait for their first attempt."""
    path, dropped = f"/accounts/{account}/queue/drop", {"mails": 0, "left": 0, "more": 0}
    for _ in range(_ROUNDS):
        answer = api_client.call("relay", "POST", path, json={"reason": reason})
        dropped = answer | {"mails": dropped["mails"] + answer["mails"]}
        if not answer["more"]:
            break
        if not answer["mails"]:
            time.sleep(_PAUSE_SECONDS)
    return dropped


def _print_dropped(answer: dict[str, int], account: str) -> None:
    output.line(f"{answer['mails']} mails are dropped")
    if answer["more"]:
        output.line(f"{answer['more']} more wait: type it again")
    if going := answer["left"] - answer["more"]:
        output.line(
            f"{going} are being tried, or their route is up: hold all mail (`varco queue hold --account {account}`), "
            "then drop again what still waits"
        )


def _do_all(account: str, verb: str, reason: str, done: str, as_json: bool) -> None:
    check_account(account)
    answer = api_client.call("relay", "POST", f"/accounts/{account}/queue/{verb}", json={"reason": reason})
    output.show(answer, as_json, lambda: output.line(f"{answer['mails']} mails {done}"))


def _do_one_or_all(mail: str, account: str, verb: str, reason: str, as_json: bool) -> None:
    _check_one(mail, account)
    if mail:
        _do(mail, verb, reason, as_json)
    else:
        change("relay", "POST", f"/accounts/{account}/route/{verb}", reason, as_json)


def _do(mail: str, verb: str, reason: str, as_json: bool) -> None:
    answer = api_client.call("relay", "POST", f"/queue/{mail}/{verb}", json={"reason": reason})
    output.show(answer, as_json, lambda: _print_mail(answer))


def _print(answer: dict[str, Any]) -> None:
    columns = ("mail", "account", "to", "next hop", "tries", "next try", "why")
    rows = [*map(_untried_row, answer["untried_mails"]), *map(_row, answer["mails"])]
    output.table(columns, sorted(rows), empty="no mail waits")
    if rows:
        shown, untried = len(answer["untried_mails"]), answer["untried"]
        more = f" ({shown} of them are listed)" if shown < untried else ""
        output.line(
            f"{answer['total']} wait for another attempt, {untried} for their first{more};"
            f" the oldest is {times.age(answer['oldest_seconds'])} old"
        )


def _row(mail: dict[str, Any]) -> tuple[Any, ...]:
    failures = mail["failures"]
    due = "held" if mail["held"] else mail["next_at"]
    why = failures[0]["answer"] if failures else ""
    recipients = _first([f["recipient"] for f in failures])
    return (mail["mail"], mail["account"], recipients, mail["next_hop"], mail["attempts"], due, why)


def _untried_row(mail: dict[str, Any]) -> tuple[Any, ...]:
    due, why = ("waits", mail["waits_for"]) if mail["waits_for"] else ("now", "it is being tried")
    return (mail["mail"], mail["account"], _first(mail["recipients"]), mail["next_hop"], 0, due, why)


def _first(recipients: list[str]) -> str:
    return recipients[0] + (f" and {len(recipients) - 1} more" if len(recipients) > 1 else "") if recipients else ""


def _print_mail(answer: dict[str, Any]) -> None:
    output.record({name: value for name, value in answer.items() if name not in ("failures", "deliveries")})
    rows = [(mail["recipient"], mail["status"], mail["answer"]) for mail in answer["failures"]]
    output.table(["recipient", "status", "answer"], rows)
    if len(answer["deliveries"]) > 1:
        _print_deliveries(answer["deliveries"])


def _print_deliveries(deliveries: list[dict[str, Any]]) -> None:
    """Where the recipients of one mail wait for different next hops."""
    rows = [
        (
            each["next_hop"],
            _first([failure["recipient"] for failure in each["failures"]]),
            each["attempts"],
            each["next_at"],
        )
        for each in deliveries
    ]
    output.table(["next hop", "to", "tries", "next try"], rows)
