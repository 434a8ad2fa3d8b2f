"""Runs services in this process: `python -m varco_cli.serve <name>...`, as the supervisor starts them.

With several names their environments are read from the JSON file that VARCO_ENVIRONMENTS names, by service.
"""

import json
import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

from varco_common.runtime.service import GROUP, Service, run


def main() -> None:
    """Loads the named services and no others: each that is imported costs memory."""
    found = entry_points(group=GROUP)
    services: list[Service] = [found[name].load() for name in sys.argv[1:]]
    file = os.environ.get("VARCO_ENVIRONMENTS")
    run(*services, environments=json.loads(Path(file).read_text()) if file else {})


if __name__ == "__main__":
    main()
