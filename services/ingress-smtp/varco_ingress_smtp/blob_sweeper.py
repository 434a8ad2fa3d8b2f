"""Large bodies go with their record: what MAIL has dropped long since is deleted from the object store."""

import asyncio
from datetime import timedelta

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.storage.object_store import ObjectStore

SPARE = timedelta(days=1)  # a body is put before its record is appended, and may be read a moment after it is dropped
PAUSE_SECONDS = 3600.0

_log = log.get(__name__)


async def delete_expired_bodies(blobs: ObjectStore, kept: timedelta, pause: float = PAUSE_SECONDS) -> None:
    """For ever, deletes the bodies that are older than `kept`, MAIL's own limit, and a day; `pause` is in seconds."""
    while True:
        try:
            if count := await blobs.expire(kept + SPARE):
                _log.info("bodies expired", count=count)
        except TransientError as error:
            _log.warning("bodies can't be expired now", error=str(error))
        await asyncio.sleep(pause)
