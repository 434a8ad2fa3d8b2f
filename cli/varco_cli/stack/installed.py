"""What the stack must know of the installed services, without importing them here: the supervisor stays small."""

import subprocess
import sys

import msgspec

from varco_cli.stack.process import FailedStart


class ServiceDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A service: its name, roles and subjects; `ports`, the variables of the ports that it listens on (its API's aside).

    `tables`: whether it has a database.
    """

    name: str
    role: tuple[str, ...]
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]
    ports: tuple[str, ...]
    tables: bool = False


_decoder = msgspec.json.Decoder(list[ServiceDescription])


def installed_services(*, everywhere: bool = False) -> list[ServiceDescription]:
    """Those that are to run here, or all: asks a process of its own.

    Raises FailedStart where a service can't be imported, with what it said last.
    """
    command = [sys.executable, "-m", "varco_cli.service_manifest", *(["--all"] if everywhere else [])]
    completed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - ourselves
    if completed.returncode:
        lines = completed.stderr.decode(errors="replace").strip().splitlines()
        raise FailedStart(f"a service can't be loaded: {lines[-1] if lines else completed.returncode}")
    return _decoder.decode(completed.stdout)
