"""`varco down`: ends the stack of VARCO_HOME, which another process supervises."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from varco_cli import api_client, output
from varco_cli.failures import Unreachable
from varco_cli.output import Json


def down(
    as_json: Json = False,
    seconds: Annotated[int, typer.Option(help="How many seconds to wait for the drain.")] = 60,
) -> None:
    """Drains and ends the stack of VARCO_HOME. Succeeds as well where none runs.

    Example: `varco down`
    """
    pid = api_client.state_directory().running()
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        _wait(pid, seconds)
    output.show({"ended": pid}, as_json, lambda: output.line("ended" if pid else "no stack runs here"))


def _wait(pid: int, seconds: int) -> None:
    deadline = time.monotonic() + seconds
    while api_client.state_directory().running() or _alive(pid):
        if time.monotonic() > deadline:
            raise Unreachable(f"process {pid} still drains after {seconds} s")
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    """Says whether the process runs. A zombie has no command line any more."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
