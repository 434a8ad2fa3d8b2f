"""Runs services in this process: `python -m varco_cli.serve <name>...`.

The supervisor starts it. The environment of each service is in the JSON file that
VARCO_ENVIRONMENTS names.
"""

import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

from varco_cli import optional_packages


def main() -> None:
    """Loads only the named services, because each import costs memory."""
    from varco_common.runtime.service import GROUP, Service, run  # noqa: PLC0415 - it imports what is left out

    entries = entry_points(group=GROUP)
    services: list[Service] = [entries[name].load() for name in sys.argv[1:]]
    variables = environments()
    if variables:  # a supervisor has started this process
        from varco_cli.migrations_apart import migrate_apart  # noqa: PLC0415 - it imports databases

        migrate_apart(services, variables)
    run(*services, environments=variables)


def environments() -> dict[str, dict[str, str]]:
    """Returns the variables of each service, if there is a file of them."""
    file = os.environ.get("VARCO_ENVIRONMENTS")
    found: dict[str, dict[str, str]] = json.loads(Path(file).read_text()) if file else {}
    return found


if __name__ == "__main__":
    optional_packages.leave_out_of_services()
    main()
