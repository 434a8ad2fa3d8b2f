"""`varco links`: attachments that were replaced by links."""

import re
from typing import Annotated, Any
from urllib.parse import quote

import typer

from varco_cli import api_client, output, times
from varco_cli.catalogue import group
from varco_cli.commands.shared import NeededReason, Reason, check_account
from varco_cli.failures import Misused
from varco_cli.output import Json

app = group("links")


Link = Annotated[str, typer.Argument(help="URL of the link, or its id.", metavar="LINK")]


@app.command("list")
def list_links(
    account: Annotated[str, typer.Option("--account", help="Only links of this account.")] = "",
    mail: Annotated[str, typer.Option("--mail", help="Only links of this mail.")] = "",
    name: Annotated[str, typer.Option("--name", help="Only links of files whose name has this in it.")] = "",
    state: Annotated[
        str, typer.Option("--state", help="Only links in this state: live, ending, expired or revoked.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Lists links with their number of downloads, the newest first.

    Example: `varco links list --account acme --state live`
    """
    query = {"account": account, "mail": mail, "name": name, "state": state}
    first, *others = api_client.pages("filelink", "/links", query)
    links = [link for page in (first, *others) for link in page["links"]]
    if not links:
        check_account(account)
    answer = first | {"links": links, "next": ""}
    output.show(answer, as_json, lambda: _print(answer))


@app.command("show")
def show_link(link: Link, as_json: Json = False) -> None:
    """Shows a link, its file and its last downloads.

    Example: `varco links show 8fe4c11451281c094a6578e6ddbf5eed`
    """
    answer = api_client.call("filelink", "GET", f"/links/{_key(link)}")
    output.show(answer, as_json, lambda: _print_link(answer))


@app.command("revoke")
def revoke(link: Link, reason: NeededReason, as_json: Json = False) -> None:
    """Revokes a link, and deletes its file unless another link leads to it.

    Example: `varco links revoke 8fe4c11451281c094a6578e6ddbf5eed --reason "sent to the
    wrong person"`
    """
    answer = api_client.call("filelink", "POST", f"/links/{_key(link)}/revoke", json={"reason": reason})
    output.show(answer, as_json, lambda: _print_link(answer))


@app.command("extend")
def extend(
    link: Link,
    by: Annotated[str, typer.Option("--by", help="How much longer: `30 days`, `12 months`.")] = "",
    until: Annotated[str, typer.Option("--until", help="Until when: `2028-01-31`, or 2028-01-31T18:00.")] = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Extends the life of a link.

    Example: `varco links extend 8fe4c11451281c094a6578e6ddbf5eed --by "30 days"`
    """
    if bool(by) == bool(until):
        raise Misused("give either --by or --until")
    end = times.later(until, "--until").isoformat() if until else None
    query = {"by": by or None, "until": end, "reason": reason}
    answer = api_client.call("filelink", "POST", f"/links/{_key(link)}/extend", json=query)
    output.show(answer, as_json, lambda: _print_link(answer))


def _key(link: str) -> str:
    """The end of a URL as it may be pasted: from the button of the page it ends in `?download`."""
    path = re.split("[?#]", link.strip())[0]
    return quote(path.rstrip("/").rpartition("/")[2], safe="")


def _print(answer: dict[str, Any]) -> None:
    columns = ("link", "account", "name", "size", "state", "expires_at", "downloads")
    output.rows(columns, answer["links"], empty="no links")
    if answer["links"]:
        output.line(f"{answer['total']} links; the files of live links take {answer['stored']} bytes")


def _print_link(answer: dict[str, Any]) -> None:
    output.record({name: value for name, value in answer.items() if name != "recent"})
    columns = ("at", "host", "sent", "complete")
    output.rows(columns, answer["recent"], empty="never downloaded")
