"""`varco replay rebuild`: builds the tables of a service again from the streams."""

import contextlib
import json
import os
import signal
from typing import Annotated, Any

import typer

from varco_cli import api_client, output
from varco_cli.failures import CommandFailure, Refused, Unreachable
from varco_cli.output import Json
from varco_cli.running_processes import pid_of, process_of

_WITHOUT_TABLES = ("ingress-smtp",)
_COLUMNS = ("table", "as of", "rows", "differing", "taken over", "note")


def rebuild(
    service: Annotated[
        str, typer.Argument(help="A service with tables: policy, relay, archive ...", metavar="SERVICE")
    ],
    swap: Annotated[
        bool, typer.Option("--swap", help="Replace the live tables with the new ones at the next start of the service.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="With --swap, on an embedded gate: restart the service now.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Builds the tables of a service again from the streams, and compares them row by row.

    The service keeps running with its live tables. Exit code 1 where they differ. A swap keeps the
    old tables beside the new ones.

    Examples: `varco replay rebuild policy` · `varco replay rebuild relay --swap --restart`
    """
    if service in _WITHOUT_TABLES:
        raise Refused(f"{service} has no tables: there is nothing to rebuild")
    if restart:
        _pid(service)
    report: dict[str, Any] = {"service": service, "tables": [], "differences": []}
    for line in api_client.lines(service, "/rebuild", params={"swap": swap}, method="POST"):
        _collect(report, json.loads(line), quiet=as_json)
    if "done" not in report:
        raise Unreachable(f"{service} ended before the rebuild was complete: see its log")
    if restart and swap:
        report["restarted"] = _end(service)
    output.show(report, as_json, lambda: _print(report))
    if not report["done"]["equal"]:
        raise typer.Exit(Refused.exit_code)


def _collect(report: dict[str, Any], frame: dict[str, Any], *, quiet: bool) -> None:
    match frame.pop("frame"):
        case "progress" if not quiet:
            output.step(f"{frame['projection']}: {frame['sequence']} of {frame['stand']}")
        case "difference":
            report["differences"].append(frame)
        case "table":
            report["tables"].append(frame)
        case "done":
            report["done"] = frame
        case "failed":
            raise CommandFailure(frame["why"])


def _pid(service: str) -> int:
    """Returns the id of the process, which the embedded gate restarts when it ends."""
    if pid := pid_of(process_of(service)):
        return pid
    raise Refused(
        f"{service} is no process of {api_client.state_directory().path}: leave out --restart, and restart it where it runs"
    )


def _end(service: str) -> int:
    """Ends the process, and returns its id. It may be another one than before the rebuild.

    One that is being started swaps by itself.
    """
    pid = pid_of(process_of(service))
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGTERM)
    return pid


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
        output.line(f"swapped in: {report['service']} restarts; the old tables are kept beside the new ones")
    elif done["swap"]:
        output.line(f"swapped in at the next start of {report['service']}: {done['swap']}")
