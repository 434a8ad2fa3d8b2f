"""`varco init`: secrets and configuration for a gate that runs elsewhere than in `varco up`."""

from pathlib import Path
from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.deployment import files
from varco_cli.failures import Failure, Misused
from varco_cli.output import Json
from varco_cli.stack import FailedStart
from varco_cli.stack.installed import installed_services
from varco_common.base.durable_file import DamagedFile


def init(
    as_json: Json = False,
    environment: Annotated[
        Path, typer.Option("--env-file", help="The file that docker compose reads its variables from.")
    ] = Path(".env"),
    hostname: Annotated[
        str,
        typer.Option(
            help="The name that the gate greets with, in .env and in the first certificate. Empty: this machine's."
        ),
    ] = "",
) -> None:
    """Makes what docker compose needs in VARCO_HOME (./var): random secrets (mode 0600), a certificate, the bus's configuration.

    What is there stays as it is, so it can be run again at any time; only the bus's configuration is written anew, for it
    follows the services. `make secrets` runs this in a container.

    Example: `varco init --hostname smtp.acme.example`
    """
    home = api_client.state_directory()
    try:
        services = installed_services(everywhere=True)
    except FailedStart as error:
        raise Failure(str(error)) from None
    try:
        files.make(home, environment, services, hostname)
    except DamagedFile as error:
        raise Misused(str(error)) from None
    made = {
        "home": str(home.path),
        "secrets": str(home.secrets),
        "token": str(home.admin_token),
        "env": str(environment),
    }
    output.show(made, as_json, lambda: _print(made))


def _print(made: dict[str, str]) -> None:
    output.line(f"Secrets are in {made['secrets']}, the admin token is {made['token']}: back both up.")
    output.line(f"{made['env']} says whom the containers run as. Now: docker compose up -d")
