"""Logs reservations on disk, so that a killed process knows which mails it accepted.

The files are not fsynced: they are for the death of the process, not of the machine.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from varco_common.base.durable_file import write_durable
from varco_common.base.ids import new_id
from varco_ratelimit.counters import Reservation

MAX_PROCESSES = 64
_BOOT = Path("/proc/sys/kernel/random/boot_id")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reservation).decode


class ReservationLog:
    """Two files in turns: each is started anew when all reservations in it have lapsed.

    `identity` is the same after a restart of the process, and another after a reboot. `found` are
    the reservations of the process before.
    """

    def __init__(self, directory: Path, lapse: int) -> None:
        self._files = (directory / "reservations.0", directory / "reservations.1")
        self._lapse = lapse
        self.identity = _identity(directory)
        self.found = list(self._read())
        self._turn = 0
        self._since = 0
        self._file = -1

    @classmethod
    @contextmanager
    def open(cls, home: Path, lapse: int) -> Iterator[Self]:
        """Uses the first directory below `home` that no living process uses.

        `lapse` in milliseconds.
        """
        lock = -1
        for number in range(MAX_PROCESSES):
            directory = home / str(number)
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            break
        else:
            raise RuntimeError(f"more than {MAX_PROCESSES} processes in {home}")
        reservation_log = cls(directory, lapse)
        try:
            yield reservation_log
        finally:
            reservation_log.close()
            os.close(lock)

    def write(self, reservation: Reservation) -> None:
        """Hands the reservation to the kernel. Raises OSError: then no vote may be cast."""
        if self._file < 0 or reservation.at - self._since > self._lapse:
            self._switch(reservation.at)
        os.write(self._file, _encode(reservation) + b"\n")

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _switch(self, now: int) -> None:
        """Goes on in the other file.

        Its content is older than this file, which was started a `lapse` ago.
        """
        first = self._file < 0
        self.close()
        self._turn = 1 - self._turn
        mode = os.O_APPEND if first and self.found else os.O_TRUNC
        self._file = os.open(self._files[self._turn], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o600)
        self._since = now

    def _read(self) -> Iterator[Reservation]:
        """A last line that was cut off is skipped: its vote was not cast."""
        for file in self._files:
            for line in file.read_bytes().splitlines() if file.exists() else ():
                try:
                    yield _decode(line)
                except msgspec.DecodeError:
                    continue


def _identity(directory: Path) -> str:
    """The same for successive processes of this directory, until the machine reboots."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    file = directory / "identity"
    known = file.read_text(errors="replace").split() if file.exists() else []
    if len(known) == 2 and boot and known[1] == boot:
        return known[0]
    identity = new_id()
    write_durable(file, f"{identity} {boot}\n")
    return identity
