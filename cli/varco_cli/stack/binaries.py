"""Finds the programs that Python packages have brought."""

import shutil
import sysconfig
from pathlib import Path

from varco_cli.stack.process import FailedStart


def binary(name: str) -> str:
    """Returns the path of a program beside this Python or in PATH. Raises FailedStart."""
    beside = Path(sysconfig.get_path("scripts")) / name
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        raise FailedStart(f"{name} is not installed: `make venv` installs it")
    return path
