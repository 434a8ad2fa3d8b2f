"""Prints the values that the services' settings refuse: `python -m varco_cli.checks.broken_values`.

Standard input has the variables of each service, in JSON. It is a process of its own because it
imports every service, and because settings are read from the environment.
"""

import os
import subprocess
import sys
from collections.abc import Mapping

import msgspec

from varco_cli.stack.process import FailedStart
from varco_common.base.settings import broken_settings


class BrokenValue(msgspec.Struct, frozen=True):
    """`text` is the line with which the service would end."""

    service: str
    variable: str
    text: str


def broken_values(environments: Mapping[str, Mapping[str, str]]) -> list[BrokenValue]:
    """Returns what each service would refuse. Raises FailedStart where one can't be loaded."""
    done = subprocess.run(
        [sys.executable, "-m", "varco_cli.checks.broken_values"],
        input=msgspec.json.encode(environments),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise FailedStart(f"a service can't be loaded: {lines[-1] if lines else done.returncode}")
    return msgspec.json.decode(done.stdout, type=list[BrokenValue])


def main() -> None:
    from varco_common.runtime.service import installed  # noqa: PLC0415 - it imports every service

    environments = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, dict[str, str]])
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("VARCO_")}
    found = []
    for service in installed():
        if service.name in environments:
            os.environ.clear()
            os.environ.update(inherited | environments[service.name])
            found += [
                BrokenValue(service.name, error.variable, str(error))
                for error in broken_settings(service.settings, os.environ)
                if error.variable in os.environ  # the rest is what a first start makes
            ]
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
