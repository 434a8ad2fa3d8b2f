"""Publishes alerts in the background: votes don't wait for them."""

import asyncio

from varco_common.base import log
from varco_common.base.errors import TransientError
from varco_common.bus import Bus
from varco_common.eventsourcing.projection import Projection
from varco_ratelimit.decide import VOTER, Alert
from varco_ratelimit.model import AccountQuotas, alert_key
from varco_ratelimit.quota_windows import moment

_log = log.get(__name__)


class AlertPublisher:
    """An alert that is being published is not published again."""

    def __init__(self, bus: Bus, quotas: Projection[AccountQuotas]) -> None:
        self._bus, self._quotas = bus, quotas
        self._publishing: dict[tuple[str, str], asyncio.Task[None]] = {}

    def publish(self, account: str, alert: Alert, mail: str, now: int) -> None:
        key = (account, alert_key(alert.kind, alert.sender, alert.meter))
        if key not in self._publishing:
            self._publishing[key] = task = asyncio.create_task(self._append(account, alert, mail, now))
            task.add_done_callback(lambda _: self._publishing.pop(key))

    async def finish(self) -> None:
        """Waits until all alerts are published."""
        await asyncio.gather(*self._publishing.values(), return_exceptions=True)

    async def _append(self, account: str, alert: Alert, mail: str, now: int) -> None:
        kind, sender, meter, limit, used = alert
        event = kind(
            at=moment(now), account=account, by=VOTER, sender=sender, meter=meter, limit=limit, used=used, mail=mail
        )
        try:
            await self._quotas.reached(await self._bus.events.append(event))
        except TransientError as error:
            _log.error("an alert was not published", fact=type(event).__name__, account=account, error=str(error))
