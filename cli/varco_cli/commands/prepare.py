"""`varco prepare`: prepares bus and databases for the services of a deployment."""

import asyncio

from varco_cli import output
from varco_cli.commands.stack_failures import command_failures
from varco_cli.deployment.ready import PrepareSettings, make_ready
from varco_cli.output import Json
from varco_cli.stack.installed import installed_services
from varco_common.base.settings import load


def prepare(as_json: Json = False) -> None:
    """Creates the streams, and roles and schemas on PostgreSQL, for a deployment.

    docker compose runs it before the services. It waits for the bus and the database and adds what
    is missing, so it can run at any time. VARCO_NATS_USER must be the operator, and the user in
    VARCO_DATABASE_URL a superuser.

    Example: `docker compose run --rm prepare`
    """
    with command_failures():
        settings, services = load(PrepareSettings), installed_services(everywhere=True)
        steps = asyncio.run(make_ready(settings, services))
    output.show({"ready": steps}, as_json, lambda: output.lines(steps))
