"""Counts downloads and appends LinkDownloaded."""

from datetime import UTC, datetime

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.events import LinkDownloaded, readable_link
from varco_filelink import metrics
from varco_filelink.link_store import NAME
from varco_filelink.model.link_state import Link

_log = log.get(__name__)


class DownloadEvents:
    """`append` is called when a download has ended.

    A bus that is away costs the event, not the download.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def append(self, link: Link, host: str, sent: int, *, complete: bool) -> None:
        metrics.DOWNLOADS.labels("complete" if complete else "incomplete").inc()
        metrics.SENT.inc(sent)
        event = LinkDownloaded(
            at=datetime.now(UTC),
            account=link.account,
            by=NAME,
            link=link.link,
            host=host,
            sent=sent,
            complete=complete,
        )
        try:
            await self._bus.events.append(event)
        except TransientError as error:
            _log.warning("a download was not recorded", link=readable_link(link.link), error=str(error))
