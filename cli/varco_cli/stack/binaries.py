"""Where the programs are that came with Python packages."""

import shutil
import sysconfig
from pathlib import Path

from varco_cli.stack.process import FailedStart


def binary(name: str) -> str:
    """The path of a program beside this Python, or on the machine. Raises FailedStart."""
    beside = Path(sysconfig.get_path("scripts")) / name
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        raise FailedStart(f"{name} is not installed: `make venv` brings it")
    return path
