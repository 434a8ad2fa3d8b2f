"""The processes of the stack of VARCO_HOME: which services run in which, and their process ids."""

import contextlib
from pathlib import Path

from varco_cli import api_client


def groups() -> dict[str, list[str]]:
    """Returns the services of each process. An earlier version told nothing."""
    found: dict[str, list[str]] = (api_client.state() or {}).get("groups", {})
    return found


def process_of(name: str) -> str:
    """Returns the process in which a service runs; a process is in itself."""
    return next((process for process, services in groups().items() if name in services), name)


def pid_of(process: str) -> int:
    """Returns the id of a process of the stack; 0 where it doesn't run."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(api_client.state_directory().pid_file(process).read_text())
        if Path(f"/proc/{pid}").exists():
            return pid
    return 0
