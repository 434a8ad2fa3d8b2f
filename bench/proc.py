"""Reads from /proc what trees of processes use: CPU seconds and memory (Linux only)."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_PARENT, _UTIME, _CSTIME, _START = 1, 11, 14, 19  # fields of /proc/<pid>/stat after the name


def _stat(pid: int) -> list[str]:
    """Returns the fields after the process's name; empty where the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(roots: Iterable[int]) -> dict[int, list[str]]:
    """Returns all live processes below the roots, and the roots, with the fields of their stat."""
    found = {int(entry.name): _stat(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()}
    children: dict[int, list[int]] = {}
    for pid, fields in found.items():
        if fields:
            children.setdefault(int(fields[_PARENT]), []).append(pid)
    out: dict[int, list[str]] = {}
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if found.get(pid) and pid not in out:
            out[pid] = found[pid]
            todo += children.get(pid, [])
    return out


def cpu(roots: Iterable[int]) -> float:
    """Returns user and system seconds so far, including those of ended children."""
    return sum(_seconds(fields, _CSTIME) for fields in tree(roots).values())


def cpu_each(roots: Iterable[int]) -> dict[int, float]:
    """Returns user and system seconds of each live process, without its children."""
    return {pid: _seconds(fields, _UTIME + 1) for pid, fields in tree(roots).items()}


def _seconds(fields: list[str], last: int) -> float:
    return sum(map(int, fields[_UTIME : last + 1])) / TICKS


def pss(roots: Iterable[int]) -> float:
    """Returns MB of memory. Processes that share pages divide them."""
    return sum(map(pss_of, tree(roots)))


def pss_of(pid: int) -> float:
    """Returns MB of memory of one process; 0 where it is gone."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


def command(pid: int) -> str:
    """Returns the command line, with blanks; empty where the process is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def started(pid: int) -> str:
    """Returns the start of the process in ticks since boot; empty where it is gone.

    A pid and its start identify a process for ever.
    """
    fields = _stat(pid)
    return fields[_START] if fields else ""


class Peak:
    """The peak memory of the trees, sampled every second. `mb` is set after the block."""

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        self._roots = roots
        self._over = threading.Event()
        self.mb = 0.0

    def _watch(self) -> None:
        while True:
            self.mb = max(self.mb, pss(self._roots()))
            if self._over.wait(1.0):
                return

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
