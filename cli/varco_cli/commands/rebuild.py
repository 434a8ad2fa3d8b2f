"""`varco replay rebuild`: a service's tables made anew from the streams, compared with those it works with."""

import json
import os
import signal
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.failures import Failure, Refused, Unreachable
from varco_cli.output import Json

_WITHOUT_TABLES = ("ingress-smtp",)
_COLUMNS = ("table", "as of", "rows", "differing", "taken over", "note")


def rebuild(
    service: Annotated[
        str, typer.Argument(help="policy, relay, archive ...: a service with tables.", metavar="SERVICE")
    ],
    swap: Annotated[
        bool, typer.Option("--swap", help="The new tables take the live ones' place at the service's next start.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="With --swap, in an embedded gate: and that is now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Makes a service's tables anew from the streams, beside the live ones, and compares them row by row.

    The service works on meanwhile. Exit code 1 where they differ. What was live is kept after a swap.

    Examples: `varco replay rebuild policy` · `varco replay rebuild relay --swap --restart`
    """
    if service in _WITHOUT_TABLES:
        raise Refused(f"{service} has no tables: there is nothing to rebuild")
    pid = _pid(service) if restart else 0
    report: dict[str, Any] = {"service": service, "tables": [], "differences": []}
    for line in api_client.lines(service, "/rebuild", params={"swap": swap}, method="POST"):
        _take(report, json.loads(line), quiet=as_json)
    if "done" not in report:
        raise Unreachable(f"{service} ended before the rebuild did: see its log")
    if restart and swap:
        os.kill(pid, signal.SIGTERM)
        report["restarted"] = pid
    output.show(report, as_json, lambda: _print(report))
    if not report["done"]["equal"]:
        raise typer.Exit(Refused.exit_code)


def _take(report: dict[str, Any], frame: dict[str, Any], *, quiet: bool) -> None:
    match frame.pop("frame"):
        case "progress" if not quiet:
            output.errors.print(f"{frame['projection']}: {frame['sequence']} of {frame['stand']}", markup=False)
        case "difference":
            report["differences"].append(frame)
        case "table":
            report["tables"].append(frame)
        case "done":
            report["done"] = frame
        case "failed":
            raise Failure(frame["why"])


def _pid(service: str) -> int:
    """Of the process that the embedded gate starts again as soon as it ends."""
    for name in (service, "services"):
        file = api_client.state_directory().pid_file(name)
        if file.exists():
            return int(file.read_text())
    raise Refused(
        f"{service} is no process of {api_client.state_directory().path}: leave --restart out, and restart it where it runs"
    )


def _print(report: dict[str, Any]) -> None:
    rows = [
        (row["table"], row["stand"], row["rows"], row["differing"], row["beyond"], row["note"])
        for row in report["tables"]
    ]
    output.table(_COLUMNS, rows)
    if report["differences"]:
        shown = [(row["table"], row["key"], row["place"], row["live"], row["rebuilt"]) for row in report["differences"]]
        output.table(("table", "key", "where", "live", "rebuilt"), shown)
    done = report["done"]
    output.line("equal" if done["equal"] else "the live tables and the rebuilt ones differ")
    if "restarted" in report:
        output.line(f"swapped in: {report['service']} starts anew; what was live is kept beside it")
    elif done["swap"]:
        output.line(f"swapped in at the next start of {report['service']}: {done['swap']}")
