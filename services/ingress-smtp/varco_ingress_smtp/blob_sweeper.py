"""Deletes bodies from the object store some time after MAIL has dropped their records."""

import asyncio
from datetime import timedelta

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.storage.object_store import ObjectStore

SPARE = timedelta(days=1)  # a body is stored before its record is appended, and may be read after the record is gone
PAUSE_SECONDS = 3600.0  # an hour more or less is nothing beside a day

_log = log.get(__name__)


async def delete_expired_bodies(bodies: ObjectStore, kept: timedelta, pause: float = PAUSE_SECONDS) -> None:
    """Deletes bodies a day older than `kept`, MAIL's limit, again after each `pause` (seconds).

    Frees what killed processes left of unfinished ones, too.
    """
    while True:
        try:
            if count := await bodies.expire(kept + SPARE):
                _log.info("expired bodies deleted", count=count)
            await bodies.abort_uploads(SPARE)
        except TransientError as error:
            _log.warning("expired bodies can't be deleted now", error=str(error))
        await asyncio.sleep(pause)
