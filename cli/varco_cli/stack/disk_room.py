"""Limits accepted mail so that the disk keeps space for events.

Delivering a mail appends events. If mail filled the disk, no mail could leave it any more. The bus,
the object store, the databases and other programs share the disk, so the limit of MAIL follows the
free space. A bus that found the disk full does not recover by itself, so it is restarted.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import streams
from varco_common.bus.bus_settings import BusSettings
from varco_common.storage.disk_reserve import reserve

CHECK_SECONDS = 2.0
FULL = 0.97  # share of the limit at which the bus already refuses large mails
NO_ROOM = b"no space left on device"

_log = log.get(__name__)


def mail_limit(used: int, free: int, total: int, limit_bytes: int = -1) -> int:
    """Returns how many bytes MAIL may hold, if it holds `used` bytes now.

    `limit_bytes` is the limit of the operator; -1 means none.
    """
    limit = max(used + max(free - reserve(total), 0), 1)  # JetStream takes 0 for no limit
    return limit if limit_bytes < 0 else min(limit, limit_bytes)


class DiskRoomWatcher:
    """Adapts the limit of MAIL to the free space of the disk.

    `restart` ends the bus. Its supervisor starts it again.
    """

    def __init__(self, home: StateDirectory, settings: BusSettings, restart: Callable[[], Awaitable[object]]) -> None:
        self._disk = home.path
        self._disk_full = DiskFullMessages(home.log_file("nats"))
        self._settings = settings
        self._restart = restart
        self._limit = 0
        self._full = False

    async def run(self) -> None:
        """Checks the disk until cancelled."""
        async with streams.mail_limit(self._settings) as mail:
            while True:
                try:
                    await self._check(mail)
                except (OSError, TransientError) as error:
                    _log.warning("the space of the bus can't be checked", error=repr(error))
                await asyncio.sleep(CHECK_SECONDS)

    async def _check(self, mail: streams.MailLimit) -> None:
        disk = shutil.disk_usage(self._disk)
        if disk.free > reserve(disk.total) // 2 and self._disk_full.new():
            _log.error("the bus found the disk full, and there is space now: restarting the bus")
            await self._restart()
            return
        used = await mail.used()
        limit = mail_limit(used, disk.free, disk.total, self._settings.mail_max_bytes)
        if abs(limit - self._limit) > self._limit // 100:
            await mail.set(limit)
            self._limit = limit
        self._log_change(used >= limit * FULL, used, disk.free)

    def _log_change(self, full: bool, used: int, free: int) -> None:
        """Logs once when the bus becomes full, and once when it has space again."""
        if full and not self._full:
            _log.error("the bus is full: new mail is refused with 452", mail_bytes=used, free_bytes=free)
        elif self._full and not full:
            _log.info("the bus has space for new mail again", mail_bytes=used, free_bytes=free)
        self._full = full


class DiskFullMessages:
    """Looks for errors of a full disk in the log of the bus."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = file.stat().st_size if file.exists() else 0

    def new(self) -> bool:
        """Says whether the log has such an error since the last call."""
        with self._file.open("rb") as lines:
            lines.seek(self._position)
            added = lines.read()
        self._position += len(added)
        return NO_ROOM in added
