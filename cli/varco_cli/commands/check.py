"""`varco check`: finds what would end a start, or close ports, before anything is started."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from varco_cli import output
from varco_cli.checks.env_file import Assignment, assignments
from varco_cli.checks.finding import CheckFinding, distinct
from varco_cli.checks.listeners import Listener
from varco_cli.commands.stack_failures import command_failures
from varco_cli.failures import Misused
from varco_cli.output import Json


def check(
    env_file: Annotated[
        Path | None, typer.Option(help="A file of variables that `varco up` will get, as of a systemd unit.")
    ] = None,
    compose: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the compose files. Standard input has what `docker compose config --format json` "
            "prints, the current directory has .env and varco.env."
        ),
    ] = None,
    held: Annotated[
        str, typer.Option(help="Ports that this deployment publishes already, such as 0.0.0.0:2525.", metavar="PORTS")
    ] = "",
    connections: Annotated[
        bool, typer.Option("--connections", help="Try user and password of the bus, the database and the S3 server.")
    ] = False,
    tried: Annotated[
        str,
        typer.Option(help="What `--connections --json` printed elsewhere, to be told with the rest.", metavar="JSON"),
    ] = "",
    as_json: Json = False,
) -> None:
    """Finds wrong settings, files and ports before anything starts. Changes nothing.

    It looks at misspelt variables, values that a service refuses, variables in a file that does not
    apply to them, secrets, certificates, and ports that are taken. Each finding is one line: where,
    what, what to write. A gate starts in spite of a warning.

    With docker compose, `make check` runs it in a container. Exit code 2 where something must be
    mended.

    Examples: `varco check` · `varco check --env-file /etc/varco/varco.env`
    """
    with command_failures():
        if compose:
            found = [*_deployment(compose, held), *_tried(tried)]
        elif connections:
            found = asyncio.run(_connections())
        else:
            found = _embedded(env_file)
    findings = distinct(found)
    wrong = any(not finding.warning for finding in findings)
    output.show({"ok": not wrong, "findings": findings}, as_json, lambda: _print(findings))
    if wrong:
        raise typer.Exit(Misused.exit_code)


def _embedded(env_file: Path | None) -> list[CheckFinding]:
    from varco_cli.checks.embedded import check_embedded  # noqa: PLC0415 - each kind of check imports much

    lines: list[Assignment] = []
    if env_file:
        lines = assignments(env_file)
        os.environ.update({line.name: line.value for line in lines if line.name.startswith("VARCO_")})
    return [*check_embedded(lines), *asyncio.run(_connections())]


def _deployment(folder: Path, held: str) -> list[CheckFinding]:
    from varco_cli.checks.compose import check_compose  # noqa: PLC0415
    from varco_cli.checks.compose_model import ComposeModel  # noqa: PLC0415

    model = ComposeModel.read(sys.stdin.buffer.read())
    return [*check_compose(model, folder, Path.cwd(), _held(held))]


def _tried(document: str) -> list[CheckFinding]:
    class Tried(msgspec.Struct):
        findings: list[CheckFinding]

    return msgspec.json.decode(document, type=Tried).findings if document else []


def _held(text: str) -> list[Listener]:
    """Reads what `docker compose ps` says of ports: `127.0.0.1:25->2525/tcp, :::25->2525/tcp`."""
    published = (part.partition("->")[0].rpartition(":") for part in text.replace(",", " ").split())
    return [Listener(address, int(port)) for address, _, port in published if port.isdigit()]


async def _connections() -> list[CheckFinding]:
    from varco_cli.checks.connections import ConnectionSettings, check_connections  # noqa: PLC0415
    from varco_common.base.settings import BrokenSetting, load  # noqa: PLC0415

    try:
        settings = load(ConnectionSettings)
    except BrokenSetting:
        return []  # the check of values names it
    return [finding async for finding in check_connections(settings)]


def _print(findings: list[CheckFinding]) -> None:
    for finding in findings:
        output.line(("warning: " if finding.warning else "") + finding.line)
    if not findings:
        output.line("nothing is wrong")
