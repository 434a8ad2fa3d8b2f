"""Room on the disk: accepted mail leaves some for the events that say what became of it, or nothing would ever drain.

The embedded bus, the object store and the databases share one disk, with others. So what MAIL may hold follows
what is free; and a bus that found no room to write, which it never gets over by itself, is started again.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from varco_cli.stack.state_directory import StateDirectory
from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import streams
from varco_common.bus.settings import BusSettings

LOOK_SECONDS = 2.0
MOST_RESERVED = 1 << 30
FULL = 0.97  # of the limit: large mails are refused by then
NO_ROOM = b"no space left on device"

_log = log.get(__name__)


def reserve(total: int) -> int:
    """Bytes of a disk of `total` bytes that mail leaves alone."""
    return min(total // 5, MOST_RESERVED)


def mail_limit(used: int, free: int, total: int, limit_bytes: int = -1) -> int:
    """Bytes that MAIL, which holds `used` by now, may hold in all; `limit_bytes` is the operator's own limit, -1: none."""
    limit = max(used + max(free - reserve(total), 0), 1)  # 0 would mean no limit
    return limit if limit_bytes < 0 else min(limit, limit_bytes)


class DiskRoomWatcher:
    """Keeps MAIL's limit in step with the disk.

    `restart` ends the bus, which is then started again.
    """

    def __init__(self, home: StateDirectory, settings: BusSettings, restart: Callable[[], Awaitable[object]]) -> None:
        self._disk = home.path
        self._complaints = NewComplaints(home.log_file("nats"))
        self._settings = settings
        self._restart = restart
        self._limit = 0
        self._full = False

    async def keep(self) -> None:
        """Until cancelled."""
        async with streams.mail_limit(self._settings) as mail:
            while True:
                try:
                    await self._look(mail)
                except (OSError, TransientError) as error:
                    _log.warning("the bus's room can't be looked at", error=repr(error))
                await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, mail: streams.MailLimit) -> None:
        disk = shutil.disk_usage(self._disk)
        if disk.free > reserve(disk.total) // 2 and self._complaints.new():
            _log.error("the bus found no room to write, and there is room now: starting it again")
            await self._restart()
            return
        used = await mail.used()
        limit = mail_limit(used, disk.free, disk.total, self._settings.mail_max_bytes)
        if abs(limit - self._limit) > self._limit // 100:
            await mail.set(limit)
            self._limit = limit
        self._log_change(used >= limit * FULL, used, disk.free)

    def _log_change(self, full: bool, used: int, free: int) -> None:
        """Once when it begins, once when it is over."""
        if full and not self._full:
            _log.error("the bus is full: new mail is refused with 452", mail_bytes=used, free_bytes=free)
        elif self._full and not full:
            _log.info("the bus has room for new mail again", mail_bytes=used, free_bytes=free)
        self._full = full


class NewComplaints:
    """What the bus logs when it can't write; `new` looks at what was added since it was last asked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = file.stat().st_size if file.exists() else 0

    def new(self) -> bool:
        with self._file.open("rb") as lines:
            lines.seek(self._seen)
            added = lines.read()
        self._seen += len(added)
        return NO_ROOM in added
