"""What Linux lets a process say about itself: whose death it follows, whom it adopts, its name."""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

# prctl(2)
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_ARGUMENTS_START, _ARGUMENTS_END = 45, 46  # fields of /proc/<pid>/stat after the name, see proc(5)


def die_with(parent: int) -> None:
    """Lets the kernel kill this process as soon as its parent ends. Exits if it is gone already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("the supervisor is gone already")


def adopt_orphans() -> None:
    """Becomes the parent of descendants whose own parent ends. Otherwise init does."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_command_line(name: str, arguments: Sequence[str]) -> None:
    """Sets what `ps` shows of this process, as far as there is space for it.

    The kernel reads a command line from the memory of the process, where execve(2) has put it.
    """
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END])
    text = "\0".join(arguments).encode()[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
    set_name(name)


def set_name(name: str) -> None:
    """Sets the name of this process, of which the kernel keeps 15 bytes."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15] + b"\0")
