"""The processes of the stack of VARCO_HOME: which services run in which, and their process ids."""

import contextlib
from pathlib import Path

from varco_cli import api_client

_ALL = "services"  # the one process of all services


def groups() -> dict[str, list[str]]:
    """Returns the services of each process.

    A supervisor before December 2026 tells nothing, unless all services share one process.
    """
    state = api_client.state() or {}
    together = {_ALL: state["services"]} if _ALL in state.get("processes", ()) else {}
    found: dict[str, list[str]] = state.get("groups", together)
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
