"""`varco deadletters`: records that a service could not handle and has parked."""

from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.catalogue import group
from varco_cli.commands.shared import NeededReason, Reason
from varco_cli.output import Json

app = group("deadletters")


Name = Annotated[
    str, typer.Argument(help="Id of the dead letter, as `varco deadletters list` prints it.", metavar="LETTER")
]


@app.command("list")
def list_letters(
    service: Annotated[str, typer.Option("--service", help="Only the records that this service parked.")] = "",
    as_json: Json = False,
) -> None:
    """Lists the dead letters and their errors, the oldest first.

    Example: `varco deadletters list`
    """
    answer = api_client.call("audit", "GET", "/deadletters", params={"service": service})
    columns = ("id", "at", "times", "why")
    output.listing(columns, answer, as_json)


@app.command("show")
def show(letter: Name, as_json: Json = False) -> None:
    """Shows a dead letter: the service that parked it, the error, and the content without body.

    Example: `varco deadletters show relay.MAIL.77`
    """
    answer = api_client.call("audit", "GET", f"/deadletters/{letter}")
    output.show(answer, as_json, lambda: output.record(answer))


@app.command("redeliver")
def redeliver(letter: Name, reason: Reason = "", as_json: Json = False) -> None:
    """Redelivers the record to the consumer that parked it, and to no other.

    Exit code 1, with the error, where the consumer parks it again.

    Example: `varco deadletters redeliver relay.MAIL.77 --reason "the object store is back"`
    """
    answer = api_client.call("audit", "POST", f"/deadletters/{letter}/redelivery", params={"reason": reason})
    output.show(answer, as_json, lambda: output.line(f"{answer['id']} is dealt with"))


@app.command("drop")
def drop(letter: Name, reason: NeededReason, as_json: Json = False) -> None:
    """Drops a dead letter. Recipients who got no mail count as dropped in the balance.

    Example: `varco deadletters drop relay.MAIL.77 --reason "its body is gone for good"`
    """
    answer = api_client.call("audit", "DELETE", f"/deadletters/{letter}", params={"reason": reason})
    output.show(answer, as_json, lambda: output.line(f"{answer['id']} is dropped"))
