"""Describes the installed services without importing them, which keeps the supervisor small."""

import subprocess
import sys
from functools import cache
from typing import Any

import msgspec

from varco_cli.stack.process import FailedStart


class ServiceDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What the stack knows of a service.

    `permissions` are those of its user of the bus. `ports` names the variables of its ports except
    that of its API. `tables` says whether it has a database.
    `variables` are all that it reads, those of earlier versions included.
    """

    name: str
    role: tuple[str, ...]
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    permissions: dict[str, Any] = {}
    ports: tuple[str, ...]
    tables: bool = False
    variables: tuple[str, ...] = ()


decode_descriptions = msgspec.json.Decoder(list[ServiceDescription]).decode


@cache
def installed_services(*, everywhere: bool = False) -> list[ServiceDescription]:
    """Returns the services that are to run here, or all. A child process imports them.

    Raises FailedStart, with the last line of the error, where a service can't be imported.
    """
    command = [sys.executable, "-m", "varco_cli.service_manifest", *(["--all"] if everywhere else [])]
    completed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - ourselves
    if completed.returncode:
        lines = completed.stderr.decode(errors="replace").strip().splitlines()
        raise FailedStart(f"a service can't be loaded: {lines[-1] if lines else completed.returncode}")
    return decode_descriptions(completed.stdout)
