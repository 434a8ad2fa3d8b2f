"""`varco prepare`: bus and databases, made ready for the services."""

import asyncio

from varco_cli import output
from varco_cli.deployment.ready import PrepareSettings, make_ready
from varco_cli.failures import Failure, Misused
from varco_cli.output import Json
from varco_cli.stack import FailedStart
from varco_cli.stack.installed import installed_services
from varco_common.base.settings import BrokenSetting, load


def prepare(as_json: Json = False) -> None:
    """Makes streams, and roles and schemas on PostgreSQL, for the services of a deployment; docker compose runs it before them.

    It waits for what isn't up yet, and adds what is missing, so it can be run at any time. VARCO_NATS_USER must be the operator,
    the user in VARCO_DATABASE_URL a superuser.

    Example: `docker compose run --rm prepare`
    """
    try:
        settings, services = load(PrepareSettings), installed_services(everywhere=True)
        done = asyncio.run(make_ready(settings, services))
    except BrokenSetting as error:
        raise Misused(str(error)) from None
    except FailedStart as error:
        raise Failure(str(error)) from None
    output.show({"ready": done}, as_json, lambda: _print(done))


def _print(done: list[str]) -> None:
    for line in done:
        output.line(line)
