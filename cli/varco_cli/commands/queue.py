"""`varco queue`: the mails that wait for another delivery attempt."""

from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import NeededReason, Reason
from varco_cli.output import Json

app = group("queue")


Mail = Annotated[str, typer.Argument(help="Id of the mail, as in the 250 answer.", metavar="MAIL")]


@app.command("list")
def list_queue(
    account: Annotated[str, typer.Option("--account", help="Only mails of this account.")] = "",
    held: Annotated[
        bool | None, typer.Option("--held/--not-held", help="Only mails that are held, or only those that are not.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lists the mails that wait for another attempt, the oldest first.

    Example: `varco queue list --account acme`
    """
    first, *others = api_client.pages("relay", "/queue", {"account": account, "held": held})
    mails = [mail for page in (first, *others) for mail in page["mails"]]
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
def retry(mail: Mail, reason: Reason = "", as_json: Json = False) -> None:
    """Starts a delivery attempt now.

    Example: `varco queue retry 06d2k3m8s1x7v0c2b9qa`
    """
    _do(mail, "retry", reason, as_json)


@app.command("hold")
def hold(mail: Mail, reason: Reason = "", as_json: Json = False) -> None:
    """Holds a mail: it is not tried until it is released.

    Example: `varco queue hold 06d2k3m8s1x7v0c2b9qa --reason "asked the sender"`
    """
    _do(mail, "hold", reason, as_json)


@app.command("release")
def release(mail: Mail, reason: Reason = "", as_json: Json = False) -> None:
    """Releases a held mail.

    Example: `varco queue release 06d2k3m8s1x7v0c2b9qa`
    """
    _do(mail, "release", reason, as_json)


@app.command("drop")
def drop(mail: Mail, reason: NeededReason, as_json: Json = False) -> None:
    """Drops a mail without a notification to its sender. The mail is lost.

    Example: `varco queue drop 06d2k3m8s1x7v0c2b9qa --reason "spam of a stolen account"`
    """
    api_client.call("relay", "POST", f"/queue/{mail}/drop", json={"reason": reason})
    output.show({"dropped": mail}, as_json, lambda: output.line(f"{mail} is dropped"))


def _do(mail: str, verb: str, reason: str, as_json: bool) -> None:
    answer = api_client.call("relay", "POST", f"/queue/{mail}/{verb}", json={"reason": reason})
    output.show(answer, as_json, lambda: _print_mail(answer))


def _print(answer: dict[str, Any]) -> None:
    columns = ("mail", "account", "sender", "attempts", "next_at", "held", "next_hop")
    rows = [[*(mail[name] for name in columns), _last_answer(mail)] for mail in answer["mails"]]
    output.table([*columns, "last answer"], rows, empty="no mail waits for another attempt")
    if answer["total"] or answer["untried"]:
        output.line(
            f"{answer['total']} wait for another attempt, {answer['untried']} for their first;"
            f" the oldest is {answer['oldest_seconds']:.0f} s old"
        )


def _print_mail(answer: dict[str, Any]) -> None:
    output.record({name: value for name, value in answer.items() if name != "failures"})
    rows = [(mail["recipient"], mail["status"], mail["answer"]) for mail in answer["failures"]]
    output.table(["recipient", "status", "answer"], rows)


def _last_answer(mail: dict[str, Any]) -> str:
    return str(mail["failures"][0]["answer"]) if mail["failures"] else ""
