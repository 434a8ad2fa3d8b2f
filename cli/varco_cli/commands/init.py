"""`varco init`: creates secrets and configuration for a gate that docker compose runs."""

from pathlib import Path
from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.commands.stack_failures import command_failures
from varco_cli.deployment import files
from varco_cli.output import Json
from varco_cli.stack.installed import installed_services


def init(
    as_json: Json = False,
    environment: Annotated[
        Path, typer.Option("--env-file", help="The file that docker compose reads its variables from.")
    ] = Path(".env"),
    hostname: Annotated[
        str,
        typer.Option(help="Host name of the gate, in .env and in the first certificate. Empty: that of this machine."),
    ] = "",
) -> None:
    """Creates the files that docker compose needs in VARCO_HOME (./var).

    They are random secrets (mode 0600), a certificate and the configuration of the bus. Existing
    files stay, so the command can run at any time. It writes only the configuration of the bus each
    time, because that depends on the services. `make secrets` runs this in a container.

    Example: `varco init --hostname smtp.acme.example`
    """
    home = api_client.state_directory()
    with command_failures():
        services = installed_services(everywhere=True)
        files.make(home, environment, services, hostname)
    made = {
        "home": str(home.path),
        "secrets": str(home.secrets),
        "token": str(home.admin_token),
        "env": str(environment),
    }
    output.show(made, as_json, lambda: _print(made))


def _print(made: dict[str, str]) -> None:
    output.line(f"Secrets are in {made['secrets']}, the admin token is {made['token']}: back both up.")
    output.line(f"{made['env']} names the user of the containers. Next: docker compose up -d")
