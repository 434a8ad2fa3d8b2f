"""What processes use, read from /proc: CPU seconds and memory, of whole trees (Linux only)."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")
_PARENT, _UTIME, _CSTIME, _START = 1, 11, 14, 19  # fields of /proc/<pid>/stat after the name


def _stat(pid: int) -> list[str]:
    """The fields after the process's name; empty where it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(roots: Iterable[int]) -> dict[int, list[str]]:
    """All live processes below the roots, the roots too, with the fields of their stat."""
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
    """User and system seconds so far, those of children that have ended included."""
    return sum(_seconds(fields, _CSTIME) for fields in tree(roots).values())


def cpu_each(roots: Iterable[int]) -> dict[int, float]:
    """User and system seconds of each live process, without its children."""
    return {pid: _seconds(fields, _UTIME + 1) for pid, fields in tree(roots).items()}


def _seconds(fields: list[str], last: int) -> float:
    return sum(map(int, fields[_UTIME : last + 1])) / TICKS


def pss(roots: Iterable[int]) -> float:
    """MB of memory; pages that several processes share are divided among them."""
    return sum(_pss(pid) for pid in tree(roots)) / 1000


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def command(pid: int) -> str:
    """Its command line, with blanks; empty where it is gone."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def started(pid: int) -> str:
    """When it was started, in ticks since boot: a pid and this are one process for ever.

    Empty where it is gone.
    """
    fields = _stat(pid)
    return fields[_START] if fields else ""


class Peak:
    """The most memory that the trees had, looked at every second: `mb` after the block."""

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
